#pragma once
#include "base/duration.hpp"

#include <iosfwd>
#include <stdexcept>
#include <string>

namespace belay::cli {

/** What every command works with: the standard streams and the options that all commands share. */
struct Context {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    bool out_terminal = false; ///< a person reads `out`: nothing that steers a terminal goes there
    bool err_terminal = false;
    bool colours = false;            ///< on `out`
    Milliseconds poll_interval{250}; ///< of `logs -f`

    std::string socket{};      ///< --socket; "": find it
    std::string config_file{}; ///< --config
    bool json = false;         ///< --json
};

/** A command that cannot do what it was asked for: what to tell the operator, and the exit status. */
class Failure : public std::runtime_error {
public:
    Failure(int exit_status, const std::string& what) : std::runtime_error(what), exit_status_(exit_status) {}
    [[nodiscard]] int exit_status() const noexcept { return exit_status_; }

private:
    int exit_status_;
};

} // namespace belay::cli
