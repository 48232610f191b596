#include "belayd/hooks/multipart.hpp"
#include "belayd/hooks/payload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using ::testing::HasSubstr;

const std::string disposition = "Content-Disposition: form-data; name=";

std::string part(const std::string& head, const std::string& content)
{
    return "--B\r\n" + head + "\r\n\r\n" + content + "\r\n";
}

/** "<name|content>" of each part, or what is wrong. */
std::string parse(const std::string& body, const std::string& boundary = "B")
{
    try {
        std::string all;
        for (const auto& [name, content] : parse_multipart(body, boundary))
            all += "<" + name + "|" + std::string{content} + ">";
        return all;
    } catch (const MalformedPayload& malformed) {
        return malformed.what();
    }
}

TEST(ParseMultipart, ReadsFieldsAndFiles)
{
    EXPECT_EQ(
        parse(part(disposition + "a", "1") +
              part(disposition + "\"b c\"; filename=\"x.txt\"\r\nContent-Type: text/plain", "two\r\nlines--B\r\n") +
              part("content-disposition:form-data;NAME=\"\\\"q\\\\\"\r\nContent-Transfer-Encoding: 8BIT", "") +
              "--B--"),
        "<a|1><b c|two\r\nlines--B\r\n><\"q\\|>");
    EXPECT_EQ(parse(part(disposition + "a", "\r\n") + "--B--\r\n"), "<a|\r\n>");
    EXPECT_EQ(parse("--B--\r\n"), "");
    EXPECT_EQ(parse("--it's a_(b)+c,d-e.f/g:h=i?\r\n" + disposition + "a\r\n\r\n1\r\n--it's a_(b)+c,d-e.f/g:h=i?--",
                  "it's a_(b)+c,d-e.f/g:h=i?"),
        "<a|1>");
    EXPECT_EQ(parse(part(disposition + "a", std::string("\0\xff\r\n--\n--B", 10)) + "--B--"),
        std::string("<a|\0\xff\r\n--\n--B>", 14));
}

TEST(ParseMultipart, TakesNoOtherBoundaryThanTheFirstLine)
{
    const std::string body = part(disposition + "a", "1\r\n--C\r\n" + disposition + "evil\r\n\r\n2\r\n--C--") + "--B--";
    EXPECT_THAT(parse(body), HasSubstr("<a|1\r\n--C"));
    EXPECT_THAT(parse(body, "C"), HasSubstr("does not begin with its boundary"));
    EXPECT_THAT(parse("--BC\r\n" + disposition + "a\r\n\r\n1\r\n--BC--"), HasSubstr("stands behind a boundary"));
    EXPECT_THAT(parse("preamble\r\n" + body), HasSubstr("does not begin with its boundary"));
    EXPECT_THAT(parse("\r\n" + body), HasSubstr("does not begin with its boundary"));
    EXPECT_THAT(parse(""), HasSubstr("does not begin with its boundary"));
}

TEST(ParseMultipart, RefusesABadBoundary)
{
    for (const std::string& boundary : {std::string{}, std::string(71, 'x'), std::string{"a "}, std::string{"a\r\nb"},
             std::string{"a\"b"}, std::string{"\xc3\xbc"}})
        EXPECT_THAT(parse("--" + boundary + "--", boundary), HasSubstr("the boundary in Content-Type")) << boundary;
    EXPECT_EQ(parse("--" + std::string(70, 'x') + "--", std::string(70, 'x')), "");
}

TEST(ParseMultipart, RefusesWhatDoesNotEndOrGoesOn)
{
    EXPECT_THAT(parse(part(disposition + "a", "1")), HasSubstr("its last boundary is missing"));
    EXPECT_THAT(parse(part(disposition + "a", "1") + "--B"), HasSubstr("stands behind a boundary"));
    EXPECT_THAT(parse(part(disposition + "a", "1") + "--B-"), HasSubstr("stands behind a boundary"));
    EXPECT_THAT(parse(part(disposition + "a", "1\r\n--Bx") + "--B--"), HasSubstr("stands behind a boundary"));
    EXPECT_THAT(parse(part(disposition + "a", "1") + "--B \r\n"), HasSubstr("stands behind a boundary"));
    EXPECT_THAT(parse(part(disposition + "a", "1") + "--B--\r\nmore"), HasSubstr("follows its last boundary"));
    EXPECT_THAT(parse("--B--\n"), HasSubstr("follows its last boundary"));
    EXPECT_THAT(parse("--B\n" + disposition + "a\n\n1\n--B--"), HasSubstr("stands behind a boundary"));
}

TEST(ParseMultipart, BoundsPartsAndTheirHeads)
{
    std::string most;
    for (std::size_t i = 0; i < max_form_fields; ++i)
        most += part(disposition + "a", "1");
    EXPECT_EQ(parse(most + "--B--").size(), 5 * max_form_fields);
    EXPECT_THAT(parse(most + part(disposition + "a", "1") + "--B--"), HasSubstr("more than 1000 parts"));
    const std::string field = disposition + "a\r\nX: ";
    const auto with_head = [&](std::size_t size) {
        return part(field + std::string(size - field.size() - 4, 'x'), "1") + "--B--";
    };
    EXPECT_EQ(parse(with_head(max_part_head)), "<a|1>");
    EXPECT_THAT(parse(with_head(max_part_head + 1)), HasSubstr("does not end within 8192 bytes"));
    EXPECT_THAT(parse("--B\r\n" + disposition + "a"), HasSubstr("does not end within 8192 bytes"));
}

TEST(ParseMultipart, RefusesAPartWithoutANameOrWithTwo)
{
    EXPECT_THAT(parse("--B\r\n\r\n1\r\n--B--"), HasSubstr("header does not end"));
    EXPECT_THAT(parse(part("X: y", "1") + "--B--"), HasSubstr("a part has no Content-Disposition"));
    EXPECT_THAT(parse(part("Content-Disposition: form-data", "1") + "--B--"), HasSubstr("a part has no name"));
    EXPECT_THAT(parse(part(disposition + "\"\"", "1") + "--B--"), HasSubstr("a part has no name"));
    for (const char* value :
        {"attachment; name=a", "form-data; name=a; name=b", "form-data; name=\"a", "", "form-data name=a"})
        EXPECT_THAT(
            parse(part(std::string{"Content-Disposition: "} + value, "1") + "--B--"), HasSubstr("is not form-data"))
            << value;
    EXPECT_THAT(
        parse(part(disposition + "a\r\n" + disposition + "b", "1") + "--B--"), HasSubstr("two Content-Disposition"));
}

TEST(ParseMultipart, RefusesAHeadThatReadsInTwoWays)
{
    for (const char* line :
        {"X: a\rContent-Disposition: b", "X: a\nY: b", " folded", "X : y", ": y", "no colon", "X: \x7f", "\xc3\xbc: y"})
        EXPECT_THAT(parse(part(disposition + "a\r\n" + line, "1") + "--B--"), HasSubstr("header is malformed")) << line;
    EXPECT_THAT(
        parse(part(disposition + "a\r\n" + std::string("X: \0", 4), "1") + "--B--"), HasSubstr("header is malformed"));
    EXPECT_THAT(parse(part(disposition + "\"a\r\nX: y\"", "1") + "--B--"), HasSubstr("is not form-data"));
    EXPECT_THAT(parse(part(disposition + "a\r\nContent-Transfer-Encoding: base64", "1") + "--B--"),
        HasSubstr("transfer encoding"));
}

} // namespace
} // namespace belay::hooks
