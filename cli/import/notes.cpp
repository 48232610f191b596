#include "cli/import/notes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::webhook {

std::string Notes::lift(const std::string& hook_name, const std::string& text)
{
    for (unsigned number = 1;; ++number) {
        const std::string name = number == 1 ? hook_name + ".secret" : fmt::format("{}-{}.secret", hook_name, number);
        const auto found = std::ranges::find(secrets_, name, &Secret::file_name);
        if (found == secrets_.end())
            secrets_.push_back({name, text});
        else if (found->text != text)
            continue;
        return name;
    }
}

} // namespace belay::webhook
