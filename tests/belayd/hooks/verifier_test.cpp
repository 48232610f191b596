#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/verifier.hpp"
#include "sample_request.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using Fields = SampleRequest::Fields;
using config::SignatureForm;

constexpr const char* no_secret_fits = "the request is not signed with a secret of this hook";

/** A request that its sender would sign so. */
struct Sample {
    std::string scheme;
    std::string secret;
    std::string other_secret; // another of that form
    std::string body;
    Fields fields; // the signature first
    std::chrono::sys_seconds now{0s};
    std::string source;
};

void PrintTo(const Sample& sample, std::ostream* out)
{
    *out << sample.scheme;
}

const std::string slack_body =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
    "trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

// Where a sender publishes no vector, OpenSSL's command made one.
const std::vector<Sample> samples{
    {"github", "It's a Secret to Everybody", "other", "Hello, World!",
        {{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}}, {},
        "docs.github.com, Validating webhook deliveries"},
    {"gitea", "hush", "other", R"({"id":1})",
        {{"X-Gitea-Signature", "5672948d9b0bb8de626568e7e449ed70154217d90c378dcb825cc2135fc649e6"}}, {}, ""},
    {"forgejo", "hush", "other", R"({"id":1})",
        {{"X-Forgejo-Signature", "5672948d9b0bb8de626568e7e449ed70154217d90c378dcb825cc2135fc649e6"}}, {}, ""},
    {"gogs", "hush", "other", R"({"id":1})",
        {{"X-Gogs-Signature", "5672948d9b0bb8de626568e7e449ed70154217d90c378dcb825cc2135fc649e6"}}, {}, ""},
    {"gitlab", "hush", "husx", R"({"id":1})", {{"X-Gitlab-Token", "hush"}}, {}, ""},
    {"gitlab_signing", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_AAAVsBQIhrscChlQIMV+b5sSYspob7oD",
        R"({"email":"test@example.com","username":"test_user"})",
        {{"webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="},
            {"webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"}, {"webhook-timestamp", "1649367553"}},
        std::chrono::sys_seconds{1649367553s}, ""},
    {"bitbucket", "It's a Secret to Everybody", "other", "Hello World!",
        {{"X-Hub-Signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"}}, {},
        "support.atlassian.com, Manage webhooks"},
    {"standard_webhooks", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "AAAVsBQIhrscChlQIMV+b5sSYspob7oD",
        R"({"email":"test@example.com","username":"test_user"})",
        {{"webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="},
            {"webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"}, {"webhook-timestamp", "1649367553"}},
        std::chrono::sys_seconds{1649367553s}, "the specification of Standard Webhooks"},
    {"standard_webhooks", "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", R"({"id":1})",
        {{"webhook-signature",
             "v1a,9PZAq/IcnQ+ZXCVJALBruhMq0b1PynD9hbfP+oMimx5rOOMatWhavgQu1YYKy5iSYkNIc2wr6KJsnMAAo4/GAQ=="},
            {"webhook-id", "msg_1"}, {"webhook-timestamp", "1700000000"}},
        std::chrono::sys_seconds{1700000000s}, ""},
    {"svix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        R"({"test": 2432232314})",
        {{"svix-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
            {"svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {"svix-timestamp", "1614265330"}},
        std::chrono::sys_seconds{1614265330s}, "docs.svix.com, Verifying webhooks manually"},
    {"stripe", "whsec_test", "whsec_other", R"({"id":"evt_1"})",
        {{"Stripe-Signature",
            "t=1492774577,v1=7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2,v0=6ffbb59b"}},
        std::chrono::sys_seconds{1492774577s}, ""},
    {"slack", "8f742231b10e8888abcd99yyyzzz85a5", "other", slack_body,
        {{"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
            {"X-Slack-Request-Timestamp", "1531420618"}},
        std::chrono::sys_seconds{1531420618s}, "docs.slack.dev, Verifying requests from Slack"},
    {"discord", "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", R"({"type":2})",
        {{"X-Signature-Ed25519", "581b292c54015ea94e743e5d00e423d13ea25ae0c239186839de7b25312010046ee100ad33101d5a61062"
                                 "e81529253f4d73b686d7fb1b3643cd2fabef95b4901"},
            {"X-Signature-Timestamp", "1700000000"}},
        std::chrono::sys_seconds{1700000000s}, ""},
    {"shopify", "hush", "other", R"({"id":1})",
        {{"X-Shopify-Hmac-SHA256", "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="}}, {}, ""},
    {"scalr", "hush", "other", R"({"id":1})",
        {{"X-Signature", "9d9b9a9a596985056b9341582408e372b3361aaa"}, {"Date", "Fri 08 Sep 2017 11:24:32 UTC"}},
        std::chrono::sys_seconds{1504869872s}, ""},
    {"bearer", "hush", "husx", R"({"id":1})", {{"Authorization", "bearer hush"}}, {}, "RFC 6750 §2.1"},
};

Verdict verify(const Sample& sample, const std::vector<std::string>& secrets)
{
    const config::Scheme& scheme = *config::find_scheme(sample.scheme);
    std::vector<Verifier::Key> keys;
    for (const std::string& secret : secrets)
        keys.push_back({SenderKey{scheme, secret}, {}});
    const Verifier verifier{scheme, std::move(keys)};
    const SampleRequest request{sample.body, sample.fields};
    return verifier.verify(request, sample.now);
}

Verdict verify(const Sample& sample)
{
    return verify(sample, {sample.secret});
}

/** How the signature is written. */
SignatureForm form_of(const Sample& sample)
{
    return SenderKey{*config::find_scheme(sample.scheme), sample.secret}.form();
}

class Senders : public ::testing::TestWithParam<Sample> {
protected:
    [[nodiscard]] static Sample with_signature(const std::string& text)
    {
        Sample changed = GetParam();
        changed.fields[0].second = text;
        return changed;
    }

    static void expect_refused(const Sample& sample, const std::string& what)
    {
        const auto verdict = verify(sample);
        EXPECT_FALSE(verdict.authentic) << what;
        EXPECT_EQ(verdict.why_not, no_secret_fits) << what;
    }
};

INSTANTIATE_TEST_SUITE_P(All, Senders, ::testing::ValuesIn(samples),
    [](const auto& sample) { return sample.param.scheme + std::to_string(sample.index); });

TEST_P(Senders, AreAllHere)
{
    for (const config::Scheme& scheme : config::known_schemes())
        EXPECT_TRUE(std::ranges::any_of(samples, [&](const Sample& sample) { return sample.scheme == scheme.name; }))
            << scheme.name;
}

TEST_P(Senders, AreAcceptedWithAnyOfTheSecrets)
{
    const Sample& sample = GetParam();
    EXPECT_TRUE(verify(sample).authentic) << verify(sample).why_not;
    EXPECT_EQ(verify(sample, {sample.secret, sample.other_secret}).key, 0U);
    EXPECT_EQ(verify(sample, {sample.other_secret, sample.secret}).key, 1U);
    EXPECT_TRUE(verify(sample, {sample.other_secret, sample.secret}).authentic);
    EXPECT_FALSE(verify(sample, {sample.other_secret}).authentic);
    EXPECT_FALSE(verify(sample, {}).authentic);
}

TEST_P(Senders, MustHaveOneSignature)
{
    Sample changed = GetParam();
    const auto signature = changed.fields[0];
    changed.fields.erase(changed.fields.begin());
    expect_refused(changed, "absent");
    changed.fields = GetParam().fields;
    changed.fields.push_back(signature);
    expect_refused(changed, "twice");
    changed.fields.back() = {signature.first, ""};
    expect_refused(changed, "an empty one beside it");
    changed.fields = GetParam().fields;
    changed.fields[0].first = "X-" + signature.first;
    expect_refused(changed, "in another header");
}

TEST_P(Senders, MustSignExactly)
{
    const std::string good = GetParam().fields[0].second;
    for (const std::string& text :
        {std::string{}, good.substr(0, good.size() / 2), std::string(good.size(), '\0'), std::string(good.size(), 'g')})
        expect_refused(with_signature(text), text);
    const SignatureForm form = form_of(GetParam());
    const auto label = std::search(good.begin(), good.end(), form.label.begin(), form.label.end(),
        [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
    const auto begin = static_cast<std::size_t>(label - good.begin()) + form.label.size();
    for (std::size_t i = begin; i < std::min(good.find(",v0="), good.size()); ++i) {
        std::string changed = good;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        expect_refused(with_signature(changed), changed);
        changed = good;
        expect_refused(with_signature(changed.erase(i, 1)), changed);
        changed = good;
        expect_refused(with_signature(changed.insert(i, "0")), changed);
    }
}

TEST_P(Senders, OfOneSignatureMustSendNothingElse)
{
    const auto layout = config::find_scheme(GetParam().scheme)->layout;
    if (layout == config::Scheme::Layout::list || layout == config::Scheme::Layout::pairs)
        return; // beside a sound signature there may be others
    const std::string good = GetParam().fields[0].second;
    for (const std::string& text : {" " + good, good + " ", good + " x", good + "," + good})
        expect_refused(with_signature(text), text);
}

TEST_P(Senders, MustWriteItsDigitsAsTheyDo)
{
    const std::string good = GetParam().fields[0].second;
    const SignatureForm form = form_of(GetParam());
    if (form.encoding == SignatureForm::Encoding::hex) {
        const std::size_t begin = form.label.empty() ? 0 : good.find(form.label) + form.label.size();
        std::string upper = good;
        std::transform(upper.begin() + static_cast<std::ptrdiff_t>(begin), upper.end(),
            upper.begin() + static_cast<std::ptrdiff_t>(begin),
            [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        ASSERT_NE(upper, good);
        expect_refused(with_signature(upper), upper);
    } else if (form.encoding == SignatureForm::Encoding::base64) {
        ASSERT_TRUE(good.ends_with('='));
        expect_refused(with_signature(good.substr(0, good.find_last_not_of('=') + 1)), "without padding");
        expect_refused(with_signature(good + "="), "with more of it");
    }
    if (!form.label.empty() && good.find(form.label) != std::string::npos) {
        std::string relabelled = good;
        relabelled.replace(good.find(form.label), form.label.size(), std::string(form.label.size(), 'x'));
        expect_refused(with_signature(relabelled), "another algorithm");
    }
}

TEST_P(Senders, MustSignThisBody)
{
    if (form_of(GetParam()).algorithm == SignatureForm::Algorithm::equality)
        return; // they sign nothing
    Sample changed = GetParam();
    changed.body += ' ';
    expect_refused(changed, "another body");
    changed.body.clear();
    expect_refused(changed, "none");
}

TEST_P(Senders, MustSignAboutNow)
{
    const config::Scheme& scheme = *config::find_scheme(GetParam().scheme);
    if (!scheme.time) {
        Sample late = GetParam();
        late.now += 24h * 365;
        EXPECT_TRUE(verify(late).authentic);
        return;
    }
    for (const auto age : {-300s, 300s}) {
        Sample changed = GetParam();
        changed.now += age;
        EXPECT_TRUE(verify(changed).authentic) << age.count();
        changed.now += age / 300;
        const auto verdict = verify(changed);
        EXPECT_FALSE(verdict.authentic) << age.count();
        EXPECT_NE(verdict.why_not.find("301 s"), std::string::npos) << verdict.why_not;
    }
    Sample much_later = GetParam();
    much_later.now += 1h;
    Sample stranger = much_later;
    stranger.body += ' ';
    expect_refused(stranger, "who cannot sign is not told about time");
}

TEST_P(Senders, MustSignTheTimeThatTheyTell)
{
    const config::Scheme& scheme = *config::find_scheme(GetParam().scheme);
    for (std::size_t i = 1; i < GetParam().fields.size(); ++i) {
        Sample changed = GetParam();
        changed.fields[i].second += '0';
        expect_refused(changed, changed.fields[i].first + " changed");
        changed = GetParam();
        changed.fields.push_back(changed.fields[i]);
        expect_refused(changed, changed.fields[i].first + " twice");
        changed = GetParam();
        changed.fields.erase(changed.fields.begin() + static_cast<std::ptrdiff_t>(i));
        expect_refused(changed, GetParam().fields[i].first + " absent");
    }
    if (scheme.time && scheme.time->header.empty()) {
        const std::string good = GetParam().fields[0].second;
        expect_refused(with_signature("t=1492774578" + good.substr(good.find(','))), "another time");
        expect_refused(with_signature("t=1492774577," + good), "two times");
        expect_refused(with_signature(good.substr(good.find(',') + 1)), "no time");
    }
}

Sample sample_of(const std::string& scheme)
{
    return *std::ranges::find(samples, scheme, &Sample::scheme);
}

TEST(Verifier, LooksAtEachOfSeveralSignatures)
{
    Sample changed = sample_of("svix");
    const std::string good = changed.fields[0].second;
    const std::string bad = "v1,AAAM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    for (const std::string& text : {bad + " " + good, good + " " + bad, "v1a," + good.substr(3) + " " + good}) {
        changed.fields[0].second = text;
        EXPECT_TRUE(verify(changed).authentic) << text;
    }
    changed.fields[0].second = bad + " " + bad + " v2," + good.substr(3);
    EXPECT_FALSE(verify(changed).authentic);
    changed = sample_of("stripe");
    changed.fields[0].second.insert(changed.fields[0].second.find(",v1="), ",v1=00");
    EXPECT_TRUE(verify(changed).authentic);
}

TEST(Verifier, FollowsASchemeOfTheOperators)
{
    config::Scheme scheme{.name = "custom",
        .header = "X-Sum",
        .forms = {{SignatureForm::Algorithm::hmac_sha512, SignatureForm::Encoding::hex, "sum:", "", {}}},
        .message = "<{id}> {timestamp}\n{body}",
        .time = config::SignedTime{.header = "X-Time", .tolerance = 1s},
        .id_header = "X-Id"};
    const std::string_view message[]{"<7> 100\n{}"};
    const SampleRequest request{"{}",
        {{"X-Sum", "sum:" + to_hex(Mac{"SHA512", "hush"}.digest(message).view())}, {"X-Id", "7"}, {"X-Time", "100"}}};
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{scheme, "hush"}, {}});
    const Verifier verifier{scheme, std::move(keys)};
    EXPECT_TRUE(verifier.verify(request, std::chrono::sys_seconds{101s}).authentic);
    EXPECT_FALSE(verifier.verify(request, std::chrono::sys_seconds{102s}).authentic);
    EXPECT_TRUE(verifier.verify(request, std::chrono::sys_seconds{99s}).authentic);
    EXPECT_FALSE(verifier.verify(request, std::chrono::sys_seconds{98s}).authentic);
}

/** Of one custom scheme, whose secret is "hush". */
Verdict verify(const config::Scheme& scheme, const Fields& fields, Timestamp now)
{
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{scheme, "hush"}, {}});
    const SampleRequest request{"{}", fields};
    return Verifier{scheme, std::move(keys)}.verify(request, now);
}

TEST(Verifier, CountsMillisecondsWhereTheyAreSigned)
{
    config::Scheme scheme{.name = "custom",
        .header = "X-Sum",
        .forms = {{SignatureForm::Algorithm::hmac_sha256, SignatureForm::Encoding::hex, "", "",
            SignatureForm::Encoding::plain}},
        .message = "{timestamp}.{body}",
        .time = config::SignedTime{.header = "X-Time", .format = config::SignedTime::Format::unix_milliseconds}};
    constexpr auto tolerance = 300s;
    const Timestamp signed_at{1'700'000'000'123ms};
    const std::string_view message[]{"1700000000123.{}"};
    const Fields fields{{"X-Sum", to_hex(Mac{"SHA256", "hush"}.digest(message).view())}, {"X-Time", "1700000000123"}};
    for (const auto age : {0ms, 1ms, std::chrono::milliseconds{tolerance}})
        for (const auto way : {age, -age})
            EXPECT_EQ(verify(scheme, fields, signed_at + way).why_not, "") << way.count();
    EXPECT_EQ(verify(scheme, fields, signed_at + tolerance + 999us).why_not, "") << "it is no millisecond yet";
    EXPECT_EQ(verify(scheme, fields, signed_at + tolerance + 1ms).why_not,
        "the request was signed 300.001 s ago, 300 s are allowed");
    EXPECT_EQ(verify(scheme, fields, signed_at - tolerance - 1ms).why_not,
        "the request was signed 300.001 s from now, 300 s are allowed: one of the clocks is wrong");
    EXPECT_EQ(verify(scheme, fields, signed_at + tolerance + 1s).why_not,
        "the request was signed 301 s ago, 300 s are allowed");
    scheme.time->format = config::SignedTime::Format::unix_seconds;
    EXPECT_EQ(verify(scheme, fields, signed_at).why_not, "the time at which the request was signed is malformed");
}

TEST(Verifier, CountsSecondsWhereTheyAreSigned)
{
    const Sample sample = sample_of("slack");
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{*config::find_scheme("slack"), sample.secret}, {}});
    const Verifier verifier{*config::find_scheme("slack"), std::move(keys)};
    const SampleRequest request{sample.body, sample.fields};
    const auto authentic = [&](Timestamp now) { return verifier.verify(request, now).authentic; };
    EXPECT_TRUE(authentic(sample.now + 300s + 999ms)) << "the sender has cut as much off";
    EXPECT_FALSE(authentic(sample.now + 301s));
    EXPECT_TRUE(authentic(sample.now - 300s));
    EXPECT_FALSE(authentic(sample.now - 300s - 1ms));
}

TEST(Verifier, TakesBase64UrlWithItsPaddingAndWithout)
{
    const config::Scheme scheme{.name = "custom",
        .header = "X-Sum",
        .forms = {{SignatureForm::Algorithm::hmac_sha256, SignatureForm::Encoding::base64url, "", "",
            SignatureForm::Encoding::plain}},
        .message = "7{body}"};
    const std::string_view message[]{"7{}"}; // whose digest has digits that base64 has not
    const std::string right = to_base64url(Mac{"SHA256", "hush"}.digest(message).view());
    ASSERT_EQ(right.size(), 43U);
    ASSERT_NE(right.find_first_of("-_"), std::string::npos);
    const auto authentic = [&](const std::string& text) { return verify(scheme, {{"X-Sum", text}}, {}).authentic; };
    EXPECT_TRUE(authentic(right));
    EXPECT_TRUE(authentic(right + "="));
    for (const std::string& wrong : {right + "==", right + "=====", "=" + right, right.substr(1), right + "A",
             to_base64(Mac{"SHA256", "hush"}.digest(message).view())})
        EXPECT_FALSE(authentic(wrong)) << wrong;
}

TEST(Verifier, SaysWhichSecretItIsAndWhetherItHasEnded)
{
    const Sample sample = sample_of("github");
    const config::Scheme& scheme = *config::find_scheme("github");
    const std::chrono::sys_seconds end{1'700'000'000s};
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{scheme, "next"}, {}});
    keys.push_back({SenderKey{scheme, sample.secret}, end});
    const Verifier verifier{scheme, std::move(keys)};
    const SampleRequest request{sample.body, sample.fields};
    const auto in_time = verifier.verify(request, end);
    EXPECT_TRUE(in_time.authentic);
    EXPECT_EQ(in_time.key, 1U);
    const auto late = verifier.verify(request, end + 1s);
    EXPECT_FALSE(late.authentic);
    EXPECT_EQ(late.key, 1U);
    EXPECT_EQ(late.why_not, no_secret_fits);
}

TEST(Verifier, PrefersASecretThatHasNotEnded)
{
    const Sample sample = sample_of("github");
    const config::Scheme& scheme = *config::find_scheme("github");
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{scheme, sample.secret}, std::chrono::sys_seconds{0s}});
    keys.push_back({SenderKey{scheme, sample.secret}, {}});
    const Verifier verifier{scheme, std::move(keys)};
    const SampleRequest request{sample.body, sample.fields};
    const auto verdict = verifier.verify(request, std::chrono::sys_seconds{1s});
    EXPECT_TRUE(verdict.authentic);
    EXPECT_EQ(verdict.key, 1U);
}

TEST(Verifier, TakesNoPartOfTheBodyForTheTime)
{
    const config::Scheme& scheme = *config::find_scheme("svix");
    const std::string_view message[]{"a.1700000000.1800000000.x"};
    const std::string signature = "v1," + to_base64(Mac{"SHA256", "0123456789abcdef01234567"}.digest(message).view());
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{scheme, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}, {}});
    const Verifier verifier{scheme, std::move(keys)};
    const SampleRequest as_sent{
        "1800000000.x", {{"svix-signature", signature}, {"svix-id", "a"}, {"svix-timestamp", "1700000000"}}};
    EXPECT_TRUE(verifier.verify(as_sent, std::chrono::sys_seconds{1'700'000'000s}).authentic);
    const SampleRequest again{
        "x", {{"svix-signature", signature}, {"svix-id", "a.1700000000"}, {"svix-timestamp", "1800000000"}}};
    EXPECT_FALSE(verifier.verify(again, std::chrono::sys_seconds{1'800'000'000s}).authentic);
}

TEST(Verifier, DoesNotWorkForWhoSendsManySignatures)
{
    Sample changed = sample_of("svix");
    const std::string good = changed.fields[0].second;
    std::string many = good;
    for (int i = 0; i < 15; ++i)
        many.insert(0, "v1,AAAM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= ");
    changed.fields[0].second = many;
    EXPECT_TRUE(verify(changed).authentic) << "16";
    changed.fields[0].second.insert(0, "v1,AAAM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= ");
    EXPECT_FALSE(verify(changed).authentic) << "17";
}

TEST(Verifier, TakesNoPartOfTheBodyForTheId)
{
    config::Scheme scheme{.name = "custom",
        .header = "X-Sum",
        .forms = {{SignatureForm::Algorithm::hmac_sha256, SignatureForm::Encoding::hex, "", "", {}}},
        .message = "::{id}::{body}",
        .time = {},
        .id_header = "X-Id"};
    std::vector<Verifier::Key> keys;
    keys.push_back({SenderKey{scheme, "hush"}, {}});
    const Verifier verifier{scheme, std::move(keys)};
    const auto why_not = [&verifier](const std::string& id, const std::string& body) {
        const std::string_view message[]{"::x:::rest"};
        const SampleRequest request{
            body, {{"X-Sum", to_hex(Mac{"SHA256", "hush"}.digest(message).view())}, {"X-Id", id}}};
        return verifier.verify(request, {}).why_not;
    };
    EXPECT_EQ(why_not("x", ":rest"), "");
    EXPECT_EQ(why_not("x:", "rest"), "X-Id contains what separates it from what is signed beside it");
    EXPECT_EQ(why_not("y", ":rest"), no_secret_fits);
}

TEST(Verifier, VerifiesFewSignaturesWithAPublicKey)
{
    Sample changed = samples.at(8);
    ASSERT_EQ(changed.secret.substr(0, 5), "whpk_");
    const std::string good = changed.fields[0].second;
    std::string bad = good;
    bad[5] = bad[5] == 'A' ? 'B' : 'A';
    std::string malformed;
    for (int i = 0; i < 9; ++i)
        malformed += "v1a,AAAA ";
    changed.fields[0].second = malformed + bad + " " + bad + " " + bad + " " + good;
    EXPECT_TRUE(verify(changed).authentic) << "4 that could be signatures";
    changed.fields[0].second = bad + " " + changed.fields[0].second;
    EXPECT_FALSE(verify(changed).authentic) << "5";
}

TEST(Verifier, TakesTheSecretOfASignatureWithItsPrefixAndWithout)
{
    const Sample sample = sample_of("svix");
    EXPECT_TRUE(verify(sample, {sample.secret.substr(6)}).authentic);
}

TEST(SenderKey, VerifiesAVectorOfRfc8032)
{
    const SenderKey key{
        *config::find_scheme("discord"), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"};
    const std::array<std::string_view, 1> message{"\x72"}; // §7.1, TEST 2
    const std::array<std::string_view, 1> signature{"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da08"
                                                    "5ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
                                                    "b00d291612bb0c00"};
    EXPECT_TRUE(key.accepts(message, signature));
    EXPECT_FALSE(key.accepts(std::array<std::string_view, 1>{"\x73"}, signature));
}

TEST(SenderKey, IsWrittenInBase64UrlWithItsPaddingAndWithout)
{
    // RFC 8032 §7.1, TEST 2
    config::Scheme scheme = *config::find_scheme("discord");
    scheme.forms.front().encoding = scheme.forms.front().secret_encoding = SignatureForm::Encoding::base64url;
    const std::string public_key =
        to_base64url(bytes_of(*from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")));
    const std::string signature = to_base64url(bytes_of(*from_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb37"
                                                                  "62223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2e"
                                                                  "aeb4302aeeb00d291612bb0c00")));
    for (const std::string& key : {public_key, public_key + "="})
        for (const std::string& text : {signature, signature + "=="})
            EXPECT_TRUE((SenderKey{scheme, key}.accepts(
                std::array<std::string_view, 1>{"\x72"}, std::array<std::string_view, 1>{text})))
                << key << " " << text;
    EXPECT_THROW((SenderKey{scheme, public_key + "=="}), std::invalid_argument);
}

TEST(SenderKey, RefusesAKeyWithWhichAnybodyCanSign)
{
    for (const char* digits : {"0000000000000000000000000000000000000000000000000000000000000000",
             "0000000000000000000000000000000000000000000000000000000000000080",
             "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"})
        EXPECT_THROW((SenderKey{*config::find_scheme("discord"), digits}), std::invalid_argument) << digits;
}

TEST(SenderKey, RefusesWhatIsNoSecretOfItsSender)
{
    const auto why_not = [](const char* scheme, std::string_view secret) -> std::string {
        try {
            (void)SenderKey{*config::find_scheme(scheme), secret};
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return "accepted";
    };
    EXPECT_EQ(why_not("svix", "whsec_not base64"),
        "is not what svix gives out, \"whsec_\" and base64 digits of 24 to 75 bytes");
    EXPECT_EQ(
        why_not("svix", "whsec_AA=="), "is not what svix gives out, \"whsec_\" and base64 digits of 24 to 75 bytes");
    EXPECT_EQ(why_not("svix", "whpk_AAAA"), "is not what svix gives out, \"whpk_\" and base64 digits of 32 bytes");
    EXPECT_EQ(why_not("svix", "hunter22"), "is not what svix gives out, base64 digits of 24 to 75 bytes");
    EXPECT_EQ(why_not("gitlab_signing", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        "is no secret of gitlab_signing: it begins otherwise");
    for (const char* token : {"abc\r", " abc", "abc ", "a\nb"})
        EXPECT_EQ(
            why_not("bearer", token), "cannot be sent in a header: it has control characters, or blanks at its ends");
    EXPECT_EQ(why_not("discord", "03A107"), "is not what discord gives out, lower-case hexadecimal digits of 32 bytes");
    EXPECT_EQ(why_not("github", "anything"), "accepted");
}

} // namespace
} // namespace belay::hooks
