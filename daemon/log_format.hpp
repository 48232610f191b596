#pragma once
#include "daemon/log_record.hpp"

#include <string>
#include <string_view>
#include <vector>

/**
 * A record in each of its three forms.  Pure functions: whatever message, keys and values hold, what comes out is one
 * record with those fields.
 */
namespace belay::log {

/** "TIME LEVEL message key=value\n" for people. @param colour the level in ANSI colours */
[[nodiscard]] std::string to_console(const Record& record, bool colour);

/**
 * One line of JSON: "ts" (RFC 3339, UTC), "level", "logger", "msg", then the fields, numbers and booleans as such.
 * Text that is not UTF-8 comes as escape_for_line() shows it; characters that hide or reorder text are escaped.
 */
[[nodiscard]] std::string to_json(const Record& record, std::string_view logger);

/**
 * "NAME=value", any byte after the '=' being data: MESSAGE as to_line() makes it, PRIORITY (syslog(3)),
 * SYSLOG_IDENTIFIER, and each field as BELAY_KEY.
 */
[[nodiscard]] std::vector<std::string> to_journal(const Record& record, std::string_view identifier);

/** That as one datagram to journald: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. */
[[nodiscard]] std::string to_datagram(const std::vector<std::string>& entry);

} // namespace belay::log
