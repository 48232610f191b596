// What a handler that takes its time can know of its client, and do for others meanwhile.
#include "test_server.hpp"

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/** Answers when the caller has left, or its gate is opened; how it went is counted. */
struct Patient {
    std::atomic<bool> open{false};
    std::atomic<int> entered{0};
    std::atomic<int> left{0};
    std::atomic<std::size_t> released{0};

    asio::awaitable<Response> wait(Request& request)
    {
        asio::steady_timer timer{co_await asio::this_coro::executor};
        request.caller->release_body(request);
        released += request.body.empty() ? request.released_body : 0;
        bool gone = false;
        request.caller->on_leave([&] {
            gone = true;
            ++left;
            timer.cancel();
        });
        ++entered;
        while (!open && !gone) {
            timer.expires_after(2ms);
            error_code woken;
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        }
        request.caller->on_leave({});
        co_return text_response(200, "over");
    }
};

struct CallerTest : testing::Test {
    static Limits quick_sweep()
    {
        Limits limits;
        limits.linger_timeout = 20ms; // a quarter of the shortest is the loop's sweep
        return limits;
    }

    void SetUp() override
    {
        fixture.router.add({.method = "POST",
            .pattern = "/wait",
            .handler = [this](Request& request) { return patient.wait(request); },
            .admit = [](const Request&) { return Admission{Bytes{1'000'000}}; }});
        fixture.start();
    }

    TestClient ask(const std::string& body = "{}")
    {
        TestClient client = fixture.connect();
        const int before = patient.entered;
        client.send(
            "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        EXPECT_TRUE(eventually([&] { return patient.entered == before + 1; }));
        return client;
    }

    Patient patient;
    BodyBudget budget{1'000'000};
    TestServer fixture{1, quick_sweep(), &budget};
};

TEST_F(CallerTest, IsToldToHaveLeftWhenItsSideIsClosed)
{
    TestClient client = ask();
    client.shut_down_sending();
    EXPECT_EQ(client.receive().body, "over") << "which it may still want";
    EXPECT_EQ(patient.left, 1);
    TestClient gone = ask();
    gone.close();
    EXPECT_TRUE(eventually([&] { return patient.left == 2; }));
    TestClient reset = ask();
    reset.reset();
    EXPECT_TRUE(eventually([&] { return patient.left == 3; }));
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) <= 1; })) << "only the first may still be there";
    EXPECT_EQ(fixture.probe(), 200);
}

TEST_F(CallerTest, IsThereHoweverMuchItSends)
{
    TestClient client = ask();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::this_thread::sleep_for(100ms); // what is under test is time that passes: many sweeps
    EXPECT_EQ(patient.left, 0);
    client.shut_down_sending();
    EXPECT_EQ(client.receive().body, "over") << "that it has left shows in spite of what it sent";
    EXPECT_EQ(client.receive().status, 200) << "which is answered";
    EXPECT_EQ(patient.left, 1);
}

TEST_F(CallerTest, OutlastsEveryDeadlineOfTheConnection)
{
    TestClient client = ask();
    std::this_thread::sleep_for(200ms); // ten times the shortest
    patient.open = true;
    EXPECT_EQ(client.receive().body, "over");
    EXPECT_EQ(patient.left, 0);
}

TEST_F(CallerTest, NeedNotHoldItsBody)
{
    TestClient client = ask(std::string(500'000, 'x'));
    EXPECT_EQ(patient.released, 500'000U);
    EXPECT_EQ(budget.used(), 0U);
    TestClient other = ask(std::string(900'000, 'x')); // there would be no room for both
    patient.open = true;
    EXPECT_EQ(client.receive().body, "over");
    EXPECT_EQ(other.receive().body, "over");
    EXPECT_EQ(budget.used(), 0U);
}

} // namespace
} // namespace belay::http
