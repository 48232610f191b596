#include "belayd/hooks/rule.hpp"

#include "belayd/config/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <system_error>
#include <utility>

namespace belay::hooks {
namespace {

using RuleKind = config::Rule::Kind;
using Test = config::Rule::Test;
using Result = Trace::Result;

/** Holds every integer of 64 bits, and every double, as it is: comparing is exact. */
using Number = long double;

template <typename T, typename... Format>
std::optional<T> read_all(std::string_view text, Format... format)
{
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, format...);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{number} : std::nullopt;
}

/** A JSON number, or a text that is one in decimal, without exponent. */
std::optional<Number> to_number(const Value& value)
{
    if (value.type != Value::Type::number && value.type != Value::Type::text)
        return std::nullopt;
    const std::string_view text = value.text;
    const auto digit = text.starts_with('-') ? 1U : 0U;
    if (text.size() <= digit || text[digit] < '0' || text[digit] > '9') // from_chars takes "inf" and ".5"
        return std::nullopt;
    if (text.find_first_not_of("0123456789", digit) == std::string_view::npos)
        if (const auto integer = read_all<std::int64_t>(text))
            return static_cast<Number>(*integer);
    const auto number = // as a double, which is what a decimal fraction in the configuration is
        read_all<double>(
            text, value.type == Value::Type::number ? std::chars_format::general : std::chars_format::fixed);
    return number ? std::optional{static_cast<Number>(*number)} : std::nullopt;
}

Number to_number(const config::Rule::Operand& operand)
{
    if (const auto* const integer = std::get_if<std::int64_t>(&operand))
        return static_cast<Number>(*integer);
    return static_cast<Number>(std::get<double>(operand));
}

bool equals(const Value& value, const config::Rule::Operand& operand)
{
    if (const auto* const text = std::get_if<std::string>(&operand))
        return value.text == *text;
    if (const auto* const boolean = std::get_if<bool>(&operand))
        return (value.type == Value::Type::boolean || value.type == Value::Type::text) &&
               value.text == (*boolean ? "true" : "false");
    return to_number(value) == to_number(operand);
}

bool compare(Test test, const Value& value, const config::Rule::Operand& operand)
{
    const auto number = to_number(value);
    if (!number)
        return false;
    const Number bound = to_number(operand);
    switch (test) {
    case Test::less_than:
        return *number < bound;
    case Test::at_most:
        return *number <= bound;
    case Test::more_than:
        return *number > bound;
    default:
        return *number >= bound;
    }
}

re2::StringPiece to_piece(std::string_view text)
{
    return {text.data(), text.size()};
}

} // namespace

const Trace* Trace::culprit() const noexcept
{
    if (result == Result::match || result == Result::unseen || result == Result::unknown)
        return nullptr;
    for (const Trace& child :
        children) // of `any`, which wants one of them, none is to blame alone; of `not`, it is not
        if (const bool blamed = rule.kind == RuleKind::all || child.result == Result::error; blamed)
            if (const Trace* const found = child.culprit())
                return found;
    return this;
}

/** Observes nothing but signatures. */
class Matcher::Silence {
public:
    /** Why there is no decision: what cannot be told here, or what cannot be read. */
    struct Trouble {
        std::string unknown;
        std::exception_ptr failure;
    };

    Silence(std::vector<SignedBy>& signed_by, Trouble& trouble) noexcept
        : signed_by_(signed_by), trouble_(trouble), begin_(signed_by.size())
    {
    }
    [[nodiscard]] Silence enter(const Node&) noexcept { return {signed_by_, trouble_}; }
    void skip(const Node&) noexcept {}
    void see(const Value&) noexcept {}
    void see(const Node& node, SignatureFinding finding)
    {
        using State = SignatureFinding::State;
        if (finding.key)
            signed_by_.push_back(
                {node.first_secret + *finding.key, finding.state == State::good, finding.state == State::good});
        if (finding.state == State::unknown)
            trouble_.unknown = std::move(finding.why_not);
    }
    void miss(std::string why) { trouble_.unknown = std::move(why); }
    void fail(const MalformedPayload&) { trouble_.failure = std::current_exception(); }
    void leave(const Node& node, Result result) noexcept
    {
        if (result != Result::match || node.rule->kind == RuleKind::negation)
            for (std::size_t i = begin_; i < signed_by_.size(); ++i)
                signed_by_[i].decides = false;
    }

private:
    std::vector<SignedBy>& signed_by_;
    Trouble& trouble_;
    std::size_t begin_; // of the signatures within this node
};

/** Writes all down. */
class Matcher::Recorder {
public:
    explicit Recorder(Trace& trace) noexcept : trace_(&trace) {}

    [[nodiscard]] Recorder enter(const Node& child)
    {
        trace_->children.reserve(trace_->rule.rules.size()); // recorders point into it
        return Recorder{trace_->children.emplace_back(Trace{.rule = *child.rule})};
    }

    void skip(const Node& child) { leave_unseen(enter(child), child); }

    void see(const Value& value) { trace_->value = value.text; }

    void see(const Node& node, const SignatureFinding& finding)
    {
        const bool is_good = finding.state == SignatureFinding::State::good && finding.key;
        trace_->is_assumed = finding.is_assumed;
        trace_->detail = finding.is_assumed ? RuleSignature::assumed
                         : is_good          ? node.rule->auth->secrets.at(*finding.key).name
                                            : finding.why_not;
    }

    void miss(std::string why) { trace_->detail = std::move(why); }

    void fail(const MalformedPayload& malformed) { trace_->why = malformed.what(); }

    void leave(const Node& node, Result result)
    {
        trace_->result = result;
        if (result == Result::match || result == Result::unknown)
            trace_->why = config::describe(*node.rule);
        else if (result != Result::error)
            trace_->why = result == Result::missing ? node.missing : node.mismatch;
    }

private:
    static void leave_unseen(Recorder recorder, const Node& node)
    {
        recorder.trace_->why = config::describe(*node.rule);
        for (const Node& child : node.children)
            recorder.skip(child);
    }

    Trace* trace_;
};

struct Matcher::Loading {
    const std::string& config_directory;
    Secrets secrets;
    std::size_t next_secret;
    bool is_negated = false;
};

Matcher::Matcher(
    const config::Rule& rule, const std::string& config_directory, Secrets secrets, std::size_t first_secret)
    : root_([&] {
          Loading loading{config_directory, secrets, first_secret};
          return compile(rule, loading);
      }())
{
}

Matcher::Node Matcher::compile(const config::Rule& rule, Loading& loading)
{
    Node node{.rule = &rule,
        .children = {},
        .pattern = nullptr,
        .networks = {},
        .signature = nullptr,
        .first_secret = loading.next_secret,
        .is_negated = loading.is_negated,
        .mismatch = config::describe_mismatch(rule),
        .missing = fmt::format("{} is missing", config::describe(rule.source))};
    loading.is_negated = node.is_negated || rule.kind == RuleKind::negation;
    for (const auto& child : rule.rules)
        node.children.push_back(compile(child, loading));
    loading.is_negated = node.is_negated;
    if (rule.kind == RuleKind::test)
        compile_test(rule, node);
    if (rule.kind == RuleKind::signature) {
        node.signature = std::make_shared<const RuleSignature>(rule, loading.config_directory, loading.secrets);
        loading.next_secret += rule.auth->secrets.size();
    }
    return node;
}

void Matcher::compile_test(const config::Rule& rule, Node& node)
{
    if (rule.test == Test::regex)
        node.pattern = config::compile_regex(std::get<std::string>(rule.operands.front()));
    if (rule.test == Test::glob)
        node.pattern = config::compile_glob(std::get<std::string>(rule.operands.front()));
    if (config::takes_networks(rule))
        for (const auto& operand : rule.operands)
            if (const auto network = parse_ip_network(std::get<std::string>(operand)))
                node.networks.push_back(*network);
}

std::optional<std::string_view> Matcher::find_mismatch(Question question, std::vector<SignedBy>& signed_by) const
{
    Silence::Trouble trouble;
    const Verdict verdict = decide(root_, question, Silence{signed_by, trouble});
    if (verdict.result == Result::match)
        return std::nullopt;
    if (verdict.result == Result::unknown)
        throw UnknownSignature{trouble.unknown};
    if (verdict.result == Result::error)
        std::rethrow_exception(trouble.failure);
    return verdict.result == Result::missing ? verdict.culprit->missing : verdict.culprit->mismatch;
}

Trace Matcher::evaluate(Question question) const
{
    Trace trace{.rule = *root_.rule};
    (void)decide(root_, question, Recorder{trace});
    return trace;
}

template <typename Observer>
Matcher::Verdict Matcher::decide(const Node& node, Question question, Observer observer)
{
    Verdict verdict{Result::mismatch, &node};
    switch (node.rule->kind) {
    case RuleKind::all:
    case RuleKind::any:
        verdict = decide_list(node, question, observer);
        break;
    case RuleKind::negation: {
        const auto child = decide(node.children.front(), question, observer.enter(node.children.front()));
        const bool is_decided = child.result != Result::error && child.result != Result::unknown;
        verdict.result = !is_decided ? child.result : child.result == Result::match ? Result::mismatch : Result::match;
        break;
    }
    case RuleKind::signature:
        verdict = decide_signature(node, question.input, observer);
        break;
    case RuleKind::test:
        verdict = decide_test(node, question, observer);
        break;
    }
    // A value may be missing below; of this node, what it is about is told.
    observer.leave(node,
        verdict.result == Result::missing && node.rule->kind != RuleKind::test ? Result::mismatch : verdict.result);
    return verdict;
}

/** What is unknown leaves it open whether those after it are reached at all: then a failure of theirs is no news. */
template <typename Observer>
Matcher::Verdict Matcher::decide_list(const Node& node, Question question, Observer observer)
{
    const bool all = node.rule->kind == RuleKind::all;
    Verdict verdict{all ? Result::match : Result::mismatch, &node};
    bool decided = false;
    for (const Node& child : node.children) {
        if (decided) {
            observer.skip(child);
            continue;
        }
        const Verdict found = decide(child, question, observer.enter(child));
        const bool is_unknown = found.result == Result::unknown;
        decided = found.result == Result::error || (!is_unknown && (found.result == Result::match) != all);
        if (is_unknown || (decided && !(found.result == Result::error && verdict.result == Result::unknown)))
            verdict = found;
    }
    return verdict;
}

template <typename Observer>
Matcher::Verdict Matcher::decide_signature(const Node& node, const Input& input, Observer observer)
{
    SignatureFinding finding = node.signature->check(input, node.is_negated);
    const auto state = finding.state;
    observer.see(node, std::move(finding));
    return {state == SignatureFinding::State::good  ? Result::match
            : state == SignatureFinding::State::bad ? Result::mismatch
                                                    : Result::unknown,
        &node};
}

template <typename Observer>
Matcher::Verdict Matcher::decide_test(const Node& node, Question question, Observer observer)
{
    const config::ValueSource& source = node.rule->source;
    if (source.kind == config::ValueSource::Kind::header && question.input.withholds(source.text)) {
        observer.miss(describe_withheld(source.text));
        return {Result::unknown, &node};
    }
    std::optional<Value> value;
    try {
        value = question.values.find(source);
    } catch (const MalformedPayload& malformed) {
        observer.fail(malformed);
        return {Result::error, &node};
    }
    if (value)
        observer.see(*value);
    if (node.rule->test == Test::exists)
        return {
            std::get<bool>(node.rule->operands.front()) == value.has_value() ? Result::match : Result::mismatch, &node};
    if (!value)
        return {Result::missing, &node};
    return {accepts(node, *value) ? Result::match : Result::mismatch, &node};
}

bool Matcher::accepts(const Node& node, const Value& value)
{
    const auto& operands = node.rule->operands;
    switch (node.rule->test) {
    case Test::equals:
    case Test::in:
        if (!config::takes_networks(*node.rule))
            return std::ranges::any_of(operands, [&value](const auto& operand) { return equals(value, operand); });
        if (const auto address = parse_ip_address(value.text))
            return std::ranges::any_of(
                node.networks, [&address](const IpNetwork& network) { return network.contains(*address); });
        return false; // a unix socket's peer is in no network
    case Test::regex:
        return re2::RE2::PartialMatch(to_piece(value.text), *node.pattern);
    case Test::glob:
        return re2::RE2::FullMatch(to_piece(value.text), *node.pattern);
    case Test::prefix:
        return value.text.starts_with(std::get<std::string>(operands.front()));
    case Test::exists:
        return true;
    default:
        return compare(node.rule->test, value, operands.front());
    }
}

} // namespace belay::hooks
