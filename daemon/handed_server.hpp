#pragma once
#include "daemon/handover.hpp"
#include "http/server.hpp"

#include <boost/json/value.hpp>

namespace belay::daemon {

/** What a frozen server holds, as a part of the hand-over; its descriptors go into `out`. */
[[nodiscard]] boost::json::value to_json(http::HandedServer server, Handover& out);

/** The counterpart, with the descriptors out of `in`. @throws HandoverError */
[[nodiscard]] http::HandedServer handed_server(const boost::json::value& document, Handover& in);

} // namespace belay::daemon
