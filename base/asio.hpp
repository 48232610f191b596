#pragma once
/** @file What every coroutine of belay is written with.  Asio itself is compiled once, in base/asio.cpp. */
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace belay {

namespace asio = boost::asio;
using boost::system::error_code;

} // namespace belay
