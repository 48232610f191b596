#pragma once
#include "cli/import/hooks_file.hpp"

#include <string>
#include <utility>
#include <vector>

namespace belay::webhook {

/** A secret taken out of a hooks file. */
struct Secret {
    std::string file_name; ///< "deploy.secret"
    std::string text;
};

/** What is gathered while hooks are mapped: remarks, and secrets by the file that will hold each. */
class Notes {
public:
    Notes(std::vector<Remark>& remarks, std::vector<Secret>& secrets) noexcept : remarks_(remarks), secrets_(secrets) {}

    void warn(unsigned line, std::string text) { remarks_.push_back({Remark::Kind::warning, line, std::move(text)}); }
    void lose(unsigned line, std::string text) { remarks_.push_back({Remark::Kind::loss, line, std::move(text)}); }

    /** The name of the file for a secret of this hook; the same one for the same text. */
    [[nodiscard]] std::string lift(const std::string& hook_name, const std::string& text);

private:
    std::vector<Remark>& remarks_;
    std::vector<Secret>& secrets_;
};

} // namespace belay::webhook
