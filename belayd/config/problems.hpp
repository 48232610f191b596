#pragma once
#include "belayd/config/load.hpp"
#include "belayd/config/toml_document.hpp"

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace belay::config {

/** What is wrong with a configuration, collected until all of it has been looked at. */
class Problems {
public:
    /** Remembers the lines of a document, to be shown with its problems. */
    void add_source(const Document& document);

    void add(const Origin& where, std::string message);

    /** Shows this line with no problem: it may hold a secret. */
    void hide_line(const Origin& where);

    [[nodiscard]] std::size_t count() const noexcept { return diagnostics_.size() + left_off_; }

    /** Throws a ConfigError with everything, in the order of the files and their lines. */
    void throw_if_any();

private:
    struct Source {
        std::string file;
        std::vector<std::string> lines;
    };

    [[nodiscard]] std::string line(const Origin& where) const;
    [[nodiscard]] std::size_t position(const std::string& file) const noexcept;

    std::vector<Source> sources_;
    std::vector<Diagnostic> diagnostics_;
    std::size_t left_off_ = 0;
    std::set<std::pair<std::string, unsigned>> hidden_; // file and line
};

} // namespace belay::config
