// Compares the interpreter with transformers (tests/golden/jinja.json and
// chat.json), and shows that no template takes more than its budget.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"
#include "text/chat_template.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;

OrderedJson OrderedGolden(const std::string& name) {
  return OrderedJson::parse(FileText(GoldenPath(name)));
}

std::optional<absl::CivilSecond> Today(const OrderedJson& golden) {
  absl::CivilDay day;
  EXPECT_TRUE(absl::ParseCivilTime(golden["today"].get<std::string>(), &day));
  return absl::CivilSecond(day);
}

absl::StatusOr<std::string> Render(
    absl::string_view jinja,
    const OrderedJson& variables = OrderedJson::object(),
    std::optional<absl::CivilSecond> now = std::nullopt) {
  const auto chat = ChatTemplate::Parse(jinja, OrderedJson::object());
  if (!chat.ok()) return chat.status();
  return chat->Render(variables, now);
}

std::string Failure(absl::string_view jinja,
                    const OrderedJson& variables = OrderedJson::object()) {
  const absl::StatusOr<std::string> text = Render(jinja, variables);
  return text.ok() ? absl::StrCat("renders ", *text)
                   : std::string(text.status().message());
}

// A null text says that transformers fails.
void ExpectSame(const absl::StatusOr<std::string>& got,
                const OrderedJson& want) {
  if (want.is_null()) {
    EXPECT_FALSE(got.ok()) << *got;
    if (!got.ok()) {
      EXPECT_THAT(std::string(got.status().message()),
                  HasSubstr("chat_template: line "));
    }
    return;
  }
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, want.get<std::string>());
}

TEST(JinjaTest, EachConstructRendersAsInTransformers) {
  const OrderedJson golden = OrderedGolden("jinja.json");
  ASSERT_GT(golden["snippets"].size(), 600u);
  for (const OrderedJson& snippet : golden["snippets"]) {
    SCOPED_TRACE(snippet["template"].dump());
    ExpectSame(Render(snippet["template"].get<std::string>(),
                      golden["variables"], Today(golden)),
               snippet["text"]);
  }
}

TEST(JinjaTest, ConversationsRenderAsInTransformers) {
  const OrderedJson golden = OrderedGolden("chat.json");
  const OrderedJson& conversations = golden["conversations"];
  for (const auto& [name, texts] : golden["templates"].items()) {
    const auto chat = ChatTemplate::Parse(FileText(GoldenPath("chat/" + name)),
                                          OrderedJson::object());
    ASSERT_TRUE(chat.ok()) << name << ": " << chat.status();
    ASSERT_EQ(texts.size(), conversations.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      SCOPED_TRACE(absl::StrCat(name, ", conversation ", i));
      ExpectSame(chat->Render(conversations[i], Today(golden)), texts[i]);
    }
  }
}

TEST(JinjaTest, WhatIsNotSupportedIsRefusedByLineAndName) {
  const struct {
    const char* jinja;
    const char* message;
  } cases[] = {
      {"a\n{% include 'x' %}", "line 2: the statement {% include %} is not"},
      {"\n\n{{ 1 | groupby('x') }}", "line 3: filter groupby: the filter"},
      {"{{ 'x'.encode() }}", "line 1: encode(): the method encode of a text"},
      {"{% for i in [1] recursive %}{% endfor %}", "a recursive loop is not"},
      {"{{ range(*[1]) }}", "an argument with * or ** is not supported"},
      {"{{ '\\N{DASH}' }}", "the escape"},
      {"{{ 0x10 }}", "a number that is not decimal"},
      {"{{ 2 ** 100 }}", "beyond 64 bits"},
      {"{{ '{:>3}'.format(1) }}", "the field {:>3}"},
      {"{{ [1] | map('string') }}", "the text of a generator"},
      {"{{ strftime_now('%s') }}", "'strftime_now' is undefined"},
  };
  for (const auto& row : cases) {
    EXPECT_THAT(Failure(row.jinja), HasSubstr(row.message)) << row.jinja;
  }
}

TEST(JinjaTest, AnErrorInAMacroNamesItsOwnLine) {
  EXPECT_THAT(Failure("{% macro m(x) %}\n{{ x.y.z }}\n{% endmacro %}\n\n"
                      "{{ m({}) }}"),
              HasSubstr("line 2: attribute z: 'y' is undefined"));
}

TEST(JinjaTest, NoTemplateTakesMoreThanItsSteps) {
  for (const char* jinja :
       {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
        "{% endfor %}",
        "{% set x = range(99999) | list %}{% for a in x %}{{ x == x[1:] }}"
        "{% endfor %}",
        "{% set x = 'ab' * 9999 %}{% for a in range(99999) %}"
        "{{ x.rfind('ba' * 999) }}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for a in range(60) %}"
        "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{% set n = namespace(x=[1]) %}{% for a in range(60) %}"
        "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == n.x | list }}"}) {
    EXPECT_THAT(Failure(jinja), HasSubstr("must not take more than")) << jinja;
  }
}

TEST(JinjaTest, NoTemplateTakesMoreThanItsMemory) {
  for (const char* jinja :
       {"{{ 'x' * 999999999999 }}", "{{ [1] * 999999999999 }}",
        "{% set n = namespace(x='x' * 999) %}{% for a in range(40) %}"
        "{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='x' * 999) %}{% for a in range(40) %}"
        "{% set n.x = n.x | replace('x', 'xx') %}{% endfor %}",
        "{% set x = 'x' * 99999 %}{{ x.replace('', x) }}",
        "{% set x = 'x' * 99999 %}{{ x | list | join(x) }}",
        "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
        "{% set x = '\\n' * 999999 %}{{ x | indent(999, blank=true) }}"}) {
    EXPECT_THAT(Failure(jinja),
                ::testing::AnyOf(HasSubstr("must not make more than"),
                                 HasSubstr("must not take more than")))
        << jinja;
  }
}

TEST(JinjaTest, NoNestingExhaustsTheStack) {
  const auto nested = [](const std::string& open, const std::string& close) {
    std::string out;
    for (int i = 0; i < 100000; ++i) out += open;
    out += "1";
    for (int i = 0; i < 100000; ++i) out += close;
    return out;
  };
  for (const std::string& jinja :
       {"{{ " + nested("(", ")") + " }}", "{{ " + nested("[", "]") + " }}",
        "{{ " + nested("not ", "") + " }}", "{{ " + nested("- ", "") + " }}",
        "{{ " + nested("", " + 1") + " }}", "{{ " + nested("", ".a") + " }}",
        "{{ " + nested("", "|abs") + " }}",
        "{{ " + nested("", " if 1 else 2") + " }}",
        nested("{% if 1 %}", "{% endif %}"),
        nested("{% for a in b %}", "{% endfor %}"),
        std::string("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        std::string("{% set n = namespace(x=[]) %}{% for a in range(999) %}"
                    "{% set n.x = [n.x] %}{% endfor %}{{ n.x }}")}) {
    EXPECT_THAT(Failure(jinja), HasSubstr("must not be nested more than"))
        << jinja.substr(0, 60);
  }
  OrderedJson deep = OrderedJson::array();
  for (int i = 0; i < 300; ++i) deep = OrderedJson::array({deep});
  EXPECT_THAT(Failure("{{ x }}", {{"x", deep}}), HasSubstr("nested"));
}

TEST(JinjaTest, MalformedUtf8IsNoTemplate) {
  EXPECT_THAT(Failure("a\xff"), HasSubstr("must be UTF-8, but byte 1"));
}

// A message may hold anything; rendering copies it.
TEST(JinjaTest, MalformedUtf8InAMessageDoesNoHarm) {
  EXPECT_EQ(*Render("{{ x | trim }}{{ x | length }}{{ x[0] == x[1] }}",
                    {{"x", "\xff\xff"}}),
            "\xff\xff"
            "2True");
}

}  // namespace
}  // namespace aha
