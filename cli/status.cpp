#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"

#include <ostream>

namespace belay::cli {
namespace {

/** One row per value; members of members get dotted names. */
void add_rows(Table& table, const std::string& prefix, const json::object& object)
{
    for (const auto& member : object) {
        std::string name = prefix;
        for (const char c : std::string_view{member.key()})
            name += c == '_' ? ' ' : c;
        if (const json::object* inner = member.value().if_object())
            add_rows(table, name + '.', *inner);
        else
            table.add({{std::move(name), Style::faint}, text_member(object, member.key())});
    }
}

int show_status(Context& context)
{
    const Answer answer = Control{context}.get("/api/v1/status");
    const json::object* status = answer.body.if_object();
    if (context.json || status == nullptr) {
        context.out << answer.text << '\n';
        return EXIT_SUCCESS;
    }
    Table table;
    add_rows(table, "", *status);
    table.print(context.out, context.colours);
    return EXIT_SUCCESS;
}

} // namespace

void add_status(CLI::App& app, Context& context, Command& chosen)
{
    app.add_subcommand("status", "What belayd is doing")->callback([&] {
        chosen = [&] { return show_status(context); };
    });
}

} // namespace belay::cli
