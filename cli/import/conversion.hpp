#pragma once
#include "cli/import/dialect.hpp"

#include <string>
#include <vector>

namespace belay::webhook {

/** A hooks file that has been read. */
struct HooksFile {
    std::string name; ///< as the operator gave it
    std::vector<Hook> hooks;
    std::vector<Remark> remarks; ///< grows while its hooks are mapped
};

struct ConversionOptions {
    Mode mode = Mode::native;
    std::string secrets_prefix;    ///< of a secret's file in belay.toml: "", or a directory with its "/"
    std::string working_directory; ///< what webhook's relative paths are relative to
    std::string search_path;       ///< $PATH
};

struct Conversion {
    std::string toml;
    std::vector<Secret> secrets;
};

/** belay.toml for the hooks of all files. */
[[nodiscard]] Conversion convert(std::vector<HooksFile>& files, const ConversionOptions& options);

} // namespace belay::webhook
