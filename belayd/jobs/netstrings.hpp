#pragma once
#include "belayd/jobs/job.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::jobs {

void append_netstring(std::string& joined, std::string_view item);

/** A list of byte strings as one: "4:echo,5:hello,", https://cr.yp.to/proto/netstrings.txt.  Exact for any bytes. */
[[nodiscard]] std::string join_netstrings(const std::vector<std::string>& list);
[[nodiscard]] std::string join_netstrings(const std::vector<std::pair<std::string, std::string>>& pairs);

/** @throws std::invalid_argument for what join_netstrings() does not write */
[[nodiscard]] std::vector<std::string> split_netstrings(std::string_view text);
[[nodiscard]] std::vector<std::pair<std::string, std::string>> split_netstring_pairs(std::string_view text);

/** Files of a job, each as three: its name, "text" or "body", and the text. @throws std::invalid_argument as above */
[[nodiscard]] std::string join_files(const JobFiles& files);
[[nodiscard]] JobFiles split_files(std::string_view text);

} // namespace belay::jobs
