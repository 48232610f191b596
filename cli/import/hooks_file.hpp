#pragma once
#include "cli/import/yaml_document.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/** Hooks of adnanh/webhook 2.8, as its files have them. */
namespace belay::webhook {

/** Something to tell of a line of a hooks file. */
struct Remark {
    enum class Kind : std::uint8_t {
        warning, ///< it means something else in belay.toml, if little
        loss     ///< it could not be mapped
    } kind = Kind::warning;
    unsigned line = 0; ///< 1-based
    std::string text;  ///< one sentence; never a secret
};

/** A value of the request: {"source": "payload", "name": "head_commit.id"}. */
struct Argument {
    std::string source;
    std::string name;
    std::string environment_name;
    bool base64decode = false;
    unsigned line = 0;
};

struct Match {
    std::string type;
    std::string regex;
    std::string secret;
    std::string value;
    Argument parameter;
    std::string ip_range;
};

/** Of several members the first that is there counts. */
struct Rule {
    std::optional<std::vector<Rule>> all; ///< "and"
    std::optional<std::vector<Rule>> any; ///< "or"
    std::vector<Rule> negated;            ///< "not": one, if it is there
    std::optional<Match> match;
    unsigned line = 0;
};

struct Header {
    std::string name;
    std::string value;
};

struct Hook {
    std::string id;
    std::string command;
    std::string directory;
    std::string response_message;
    std::vector<Header> response_headers;
    bool captures_output = false;
    bool captures_output_on_error = false;
    std::vector<Argument> environment;
    std::vector<Argument> arguments;
    std::vector<Argument> files;
    std::vector<Argument> json_parameters;
    std::optional<Rule> rule;
    std::int64_t mismatch_status = 0; ///< 0: not written
    bool soft_signatures = false;
    std::string content_type; ///< "": that of the request
    std::int64_t success_status = 0;
    std::vector<std::string> methods;
    unsigned line = 0;
};

/** The text of a hooks file, and of each of its lines the one that an operator has to look at. */
struct FileText {
    std::string text;
    std::vector<unsigned> lines; ///< 1-based; none: they are those of the text
};

/**
 * Reads hooks.json or hooks.yaml by the rules of adnanh/webhook: keys in any case, unknown ones ignored, numbers and
 * booleans as texts where texts are wanted.
 * @param remarks gains what is ignored
 * @throws FileError also where one value is of a wrong type: webhook drops the whole file for it
 */
[[nodiscard]] std::vector<Hook> read_hooks(const std::string& text, std::vector<Remark>& remarks);

/** Likewise, of what expand_template() has made: braces are what they are. */
[[nodiscard]] std::vector<Hook> read_hooks(const FileText& text, std::vector<Remark>& remarks);

} // namespace belay::webhook
