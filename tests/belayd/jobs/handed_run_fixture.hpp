#pragma once
#include "attempt_fixture.hpp"
#include "belayd/jobs/handed_run.hpp"
#include "store_fixture.hpp" // TemporaryDirectory, waits_until

#include <filesystem>
#include <fstream>
#include <sstream>

namespace belay::jobs {

/** Attempts that change hands: from a runner on one loop to another on the fixture's. */
class HandedRunTest : public AttemptTest {
protected:
    using Condition = std::function<bool(AttemptRunner&)>;

    static Condition written(std::string text)
    {
        return [text = std::move(text)](
                   const AttemptRunner& attempt) { return attempt.output().out.text.find(text) != std::string::npos; };
    }

    /** Starts it, and lets go of it as soon as `condition` holds and `then` was called. */
    HandedRun start(AttemptSpec spec, const Condition& condition, const std::function<void(AttemptRunner&)>& then = {})
    {
        AdoptedChildren adopted;
        AttemptRunner attempt{std::move(spec), adopted, oom_};
        return let_go(attempt, condition, then);
    }

    HandedRun let_go(
        AttemptRunner& attempt, const Condition& condition, const std::function<void(AttemptRunner&)>& then = {})
    {
        first_io_.restart();
        bool returned = false;
        asio::co_spawn(first_io_, attempt.run(), [&](std::exception_ptr error, std::optional<AttemptResult> result) {
            EXPECT_FALSE(error);
            EXPECT_FALSE(result);
            returned = true;
        });
        while (!condition(attempt))
            if (first_io_.run_one_for(std::chrono::seconds{60}) == 0)
                throw std::runtime_error{"the attempt did not get as far"};
        if (then)
            then(attempt);
        std::optional<HandedRun> handed = attempt.hand_over();
        first_io_.run_for(std::chrono::seconds{60});
        EXPECT_TRUE(returned);
        return std::move(handed).value();
    }

    AttemptResult resume(HandedRun handed, const std::function<void(AttemptRunner&)>& meanwhile = {})
    {
        AttemptRunner attempt{std::move(handed), adopted_, oom_};
        return run(attempt, meanwhile);
    }

    [[nodiscard]] std::string path(const std::string& name) const { return (directory_.path() / name).string(); }
    void make(const std::string& name) const { std::ofstream{path(name)}; }
    [[nodiscard]] bool exists(const std::string& name) const { return std::filesystem::exists(path(name)); }
    [[nodiscard]] std::string content(const std::string& name) const
    {
        std::ostringstream text;
        text << std::ifstream{path(name)}.rdbuf();
        return text.str();
    }

    /** A piece of script that waits until make(name). */
    [[nodiscard]] std::string wait_for(const std::string& name) const
    {
        return "while [ ! -e " + path(name) + " ]; do sleep 0.01; done; ";
    }

    asio::io_context first_io_{1}; // outlives the attempts on it
    TemporaryDirectory directory_;
};

} // namespace belay::jobs
