#include "cli/import/yaml_document.hpp"

#include "base/utf8.hpp"

#include <fmt/format.h>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace belay::webhook {
namespace {

constexpr std::size_t max_nesting = 64;
constexpr std::size_t max_values = 200'000; // ten times what a file of 1 MiB with real hooks has

constexpr std::string_view core_tag = "tag:yaml.org,2002:";

unsigned line_of(const YAML::Mark& mark)
{
    return static_cast<unsigned>(mark.line + 1);
}

struct Extent {
    std::size_t values = 1;
    std::size_t depth = 0; ///< of the lists and maps in it, itself one of them

    void include(const Extent& part)
    {
        values += part.values;
        depth = std::max(depth, part.depth + 1);
    }
};

Extent measure(const Node& node)
{
    Extent extent{.depth = node.type == Node::Type::scalar ? 0U : 1U};
    for (const Node& element : node.elements)
        extent.include(measure(element));
    for (const auto& [key, value] : node.members)
        extent.include(measure(value));
    return extent;
}

/** As JSON has them: in order, of several equal keys the last. */
void sort_members(Node& map)
{
    std::ranges::stable_sort(map.members, {}, &Node::Member::name);
    std::vector<Node::Member> members;
    for (auto& member : map.members)
        if (!members.empty() && members.back().name == member.name)
            members.back() = std::move(member);
        else
            members.push_back(std::move(member));
    map.members = std::move(members);
}

Scalar resolve(const std::string& tag, const std::string& text, unsigned line)
{
    if (tag == "!" || tag == "tag:yaml.org,2002:str")
        return text;
    if (tag != "?" && tag.starts_with(core_tag) &&
        (tag.ends_with(":binary") || tag.ends_with(":timestamp") || tag.ends_with(":merge")))
        throw FileError{line, fmt::format("the tag {} is not read: write the value as it is meant", tag)};
    return resolve_plain(text);
}

/** The name of a key that is no text, as JSON has it. */
std::string name_of(const Node& key)
{
    if (key.type != Node::Type::scalar || std::holds_alternative<std::monostate>(key.scalar))
        throw FileError{key.line, "a key that is null, a list or a map cannot be read"};
    struct {
        std::string operator()(std::monostate) const { return {}; }
        std::string operator()(bool flag) const { return flag ? "true" : "false"; }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(std::uint64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const { return format_float(number); }
        std::string operator()(const std::string& text) const { return text; }
    } name;
    return std::visit(name, key.scalar);
}

/**
 * Builds the document from yaml-cpp's events.
 *
 * Throws out of an event what is too deep: yaml-cpp descends by recursion, and so gets no deeper either.
 */
class Builder final : public YAML::EventHandler {
public:
    explicit Builder(std::string_view text) noexcept : text_(text) {}

    Node take() { return root_ ? std::move(*root_) : Node{}; }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        Node node;
        node.line = line_of(mark);
        add(std::move(node), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        const auto found = anchored_.find(anchor);
        if (found == anchored_.end())
            throw FileError{line_of(mark), "an anchor's value contains itself"};
        const Extent extent = measure(found->second);
        check_depth(levels_.size() + extent.depth, mark);
        count(extent.values - 1, line_of(mark));
        is_merge_ = false;
        add(Node{found->second}, 0);
    }
    void OnScalar(
        const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override
    {
        check_escapes(mark);
        Node node;
        node.line = line_of(mark);
        node.scalar = resolve(tag, value, node.line);
        is_merge_ = tag == "?" && value == "<<";
        add(std::move(node), anchor);
    }
    void OnSequenceStart(
        const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override
    {
        open(Node::Type::sequence, mark, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(
        const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override
    {
        open(Node::Type::map, mark, anchor);
    }
    void OnMapEnd() override { close(); }

private:
    struct Level {
        Node node;
        YAML::anchor_t anchor = 0;
        std::optional<std::string> key = {}; ///< of a map, whose value comes next
        bool merges = false;                 ///< that value is merged in
    };

    void open(Node::Type type, const YAML::Mark& mark, YAML::anchor_t anchor)
    {
        check_depth(levels_.size() + 1, mark);
        Level level;
        level.node.type = type;
        level.node.line = line_of(mark);
        level.anchor = anchor;
        levels_.push_back(std::move(level));
    }

    void close()
    {
        Level level = std::move(levels_.back());
        levels_.pop_back();
        is_merge_ = false;
        sort_members(level.node);
        add(std::move(level.node), level.anchor);
    }

    void add(Node node, YAML::anchor_t anchor)
    {
        count(1, node.line);
        if (anchor != 0) {
            count(measure(node).values, node.line);
            anchored_[anchor] = node;
        }
        const bool is_merge = std::exchange(is_merge_, false);
        if (levels_.empty()) {
            root_ = std::move(node);
            return;
        }
        Level& parent = levels_.back();
        if (parent.node.type == Node::Type::sequence)
            parent.node.elements.push_back(std::move(node));
        else if (!parent.key) {
            parent.merges = is_merge;
            parent.key = is_merge ? "<<" : name_of(node);
        } else {
            const std::string key = *std::exchange(parent.key, std::nullopt);
            if (std::exchange(parent.merges, false))
                merge(parent.node, node);
            else
                parent.node.members.push_back({key, std::move(node)});
        }
    }

    static void check_depth(std::size_t depth, const YAML::Mark& mark)
    {
        if (depth > max_nesting)
            throw FileError{
                line_of(mark), fmt::format("lists and maps are nested more than {} deep: flatten them", max_nesting)};
    }

    void count(std::size_t values, unsigned line)
    {
        values_ += values;
        if (values_ > max_values)
            throw FileError{
                line, fmt::format("there are more than {} values in this file, aliases written out", max_values)};
    }

    /** "<<": of several maps the earlier ones win. */
    static void merge(Node& map, const Node& merged)
    {
        if (merged.type == Node::Type::map) {
            map.members.insert(map.members.end(), merged.members.begin(), merged.members.end());
        } else if (merged.type == Node::Type::sequence && std::ranges::all_of(merged.elements, [](const Node& node) {
                       return node.type == Node::Type::map;
                   })) {
            for (auto element = merged.elements.rbegin(); element != merged.elements.rend(); ++element)
                merge(map, *element);
        } else {
            throw FileError{merged.line, "only maps can be merged with \"<<\""};
        }
    }

    /** libyaml has no "\/", yaml-cpp has. */
    void check_escapes(const YAML::Mark& mark) const
    {
        auto at = static_cast<std::size_t>(mark.pos);
        while (at < text_.size() && (text_[at] == '&' || text_[at] == '!'))
            at = text_.find_first_not_of(" \t", std::min(text_.find_first_of(" \t\n", at), text_.size()));
        if (at >= text_.size() || text_[at] != '"')
            return;
        for (++at; at < text_.size() && text_[at] != '"'; ++at)
            if (text_[at] == '\\' && ++at < text_.size() && text_[at] == '/')
                throw FileError{line_of(mark), R"(webhook does not read the escape "\/": write "/")"};
    }

    std::string_view text_;
    std::optional<Node> root_;
    std::vector<Level> levels_;
    std::map<YAML::anchor_t, Node> anchored_; // complete ones
    std::size_t values_ = 0;
    bool is_merge_ = false; // the scalar being added is a plain "<<"
};

/** What libyaml's reader refuses. */
void check_characters(std::string_view text)
{
    unsigned line = 1;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        line += c == '\n';
        if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f)
            throw FileError{line, "a control character is not allowed"};
    }
    if (!is_valid_utf8(text))
        throw FileError{0, "the file is not valid UTF-8"};
}

} // namespace

void check_size(std::string_view text)
{
    if (text.size() > max_file_bytes)
        throw FileError{0, "the file is over 1 MiB"};
}

Node parse_yaml(const std::string& text)
{
    check_size(text);
    check_characters(text);
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    const auto content = text.starts_with(byte_order_mark) ? text.substr(byte_order_mark.size()) : text;
    std::istringstream in{content};
    Builder builder{content};
    try {
        YAML::Parser parser{in};
        parser.HandleNextDocument(builder);
    } catch (const YAML::Exception& e) {
        throw FileError{line_of(e.mark), fmt::format("webhook would not load this: {}", e.msg)};
    }
    return builder.take();
}

} // namespace belay::webhook
