#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace belay::daemon {

/** starting → ready ⇄ reloading → draining → stopped; and from reloading to upgrading, by exec to starting. */
enum class State : std::uint8_t { starting, ready, reloading, upgrading, draining, stopped };
inline constexpr std::array all_states{
    State::starting, State::ready, State::reloading, State::upgrading, State::draining, State::stopped};

[[nodiscard]] std::string_view to_string(State state) noexcept;

} // namespace belay::daemon
