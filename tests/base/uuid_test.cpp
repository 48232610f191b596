#include "base/uuid.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace belay {
namespace {

TEST(MakeUuidV7, HasVersionVariantAndTime)
{
    const std::chrono::system_clock::time_point time{std::chrono::milliseconds{0x017f22e279b0}};
    const auto text = to_string(make_uuid_v7(time)); // the time of RFC 9562 appendix A.6
    EXPECT_EQ(text.substr(0, 15), "017f22e2-79b0-7");
    EXPECT_NE(std::string_view{"89ab"}.find(text[19]), std::string_view::npos);
}

TEST(MakeUuidV7, SortsInTheOrderTheyWereMade)
{
    Uuid previous = make_uuid_v7();
    for (int i = 0; i < 10'000; ++i) {
        const Uuid next = make_uuid_v7();
        ASSERT_LT(previous, next);
        previous = next;
    }
}

TEST(MakeUuidV7, IsUniqueAcrossThreads)
{
    constexpr std::size_t per_thread = 5'000;
    std::array<std::vector<Uuid>, 4> made;
    std::vector<std::thread> threads;
    threads.reserve(made.size());
    for (auto& mine : made)
        threads.emplace_back([&mine] {
            for (std::size_t i = 0; i < per_thread; ++i)
                mine.push_back(make_uuid_v7());
        });
    std::set<Uuid> all;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        threads[i].join();
        all.insert(made[i].begin(), made[i].end());
    }
    EXPECT_EQ(all.size(), made.size() * per_thread);
}

TEST(ParseUuid, ReadsWhatToStringWrites)
{
    const Uuid id = make_uuid_v7();
    EXPECT_EQ(parse_uuid(to_string(id)), id);
    EXPECT_EQ(parse_uuid("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), parse_uuid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"));
}

TEST(ParseUuid, RefusesOtherForms)
{
    for (const char* text : {"", "017f22e2", "017f22e279b07cc398c4dc0c0c07398f", "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
             "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
             "017f22e2079b0-7cc3-98c4-dc0c0c07398"})
        EXPECT_FALSE(parse_uuid(text)) << text;
}

} // namespace
} // namespace belay
