#pragma once
#include "belayd/jobs/adopted_children.hpp"
#include "belayd/jobs/attempt_runner.hpp"
#include "belayd/jobs/oom_events.hpp"
#include "belayd/jobs/processes.hpp"

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace belay::jobs {

/** A shell command as an attempt. */
inline AttemptSpec shell(std::string script)
{
    AttemptSpec spec;
    spec.job = make_uuid_v7();
    spec.event = make_uuid_v7();
    spec.hook = "test";
    spec.arguments = {"/bin/sh", "-c", std::move(script)};
    spec.environment = {{"PATH", "/usr/bin:/bin"}, {"BELAY_JOB_ID", to_string(spec.job)}};
    spec.timeout = std::chrono::minutes{1};
    spec.kill_grace = std::chrono::minutes{1};
    return spec;
}

/** Whether the process exists, a zombie included. */
inline bool is_alive(pid_t pid)
{
    return ::kill(pid, 0) == 0;
}

/** Runs attempts on this thread's loop. */
class AttemptTest : public ::testing::Test {
protected:
    /** Starts it and calls `then` whenever its output has changed, until it has ended. */
    AttemptResult run(AttemptSpec spec, const std::function<void(AttemptRunner&)>& meanwhile = {})
    {
        AttemptRunner attempt{std::move(spec), adopted_, oom_};
        return run(attempt, meanwhile);
    }

    AttemptResult run(AttemptRunner& attempt, const std::function<void(AttemptRunner&)>& meanwhile = {})
    {
        std::optional<AttemptResult> result;
        std::exception_ptr error;
        asio::co_spawn(io_, attempt.run(), [&](std::exception_ptr e, std::optional<AttemptResult> r) {
            error = std::move(e);
            result = std::move(r);
        });
        io_.restart();
        while (!result && !error) {
            if (io_.run_one_for(std::chrono::seconds{60}) == 0) {
                ADD_FAILURE() << "the attempt did not end";
                attempt.kill(AttemptRunner::Stop::interrupt);
            }
            if (meanwhile)
                meanwhile(attempt);
        }
        io_.run(); // aborted handlers
        if (error)
            std::rethrow_exception(error);
        return std::move(*result);
    }

    [[nodiscard]] std::size_t adopted_left() { return adopted_.reap(); }

    asio::io_context io_{1};
    AdoptedChildren adopted_;
    OomEvents oom_{"/nowhere"};
};

} // namespace belay::jobs
