#!/usr/bin/env python3
"""Counts phrases that plain technical English does not use.

  tests/prose.py [--limit N] [PATH ...]     without a path: all tracked files

Reads comments, docstrings, messages, help texts, documents and the names of
tests. Things are "it", never "who" or "nobody"; what continues does not "go on";
what is not a file is not "no file". The patterns are crude, so a few hits are right as they are; more
than the limit is an error. Prints each hit as file:line.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# To be 10 when every branch of the rewriting is merged.
LIMIT = 10

# A comparison ("is no longer", "is no larger than") is plain English, and so is
# "whose", which English has for things, too.
COMPARED = (r"(?:longer|more\s+than|less|larger|smaller|later|earlier|greater|"
            r"fewer|faster|slower|better|worse|use)\b")
PHRASES = re.compile(r"\b(?:" + "|".join([
    r"(?<!people )(?<!users )(?<!readers )who(?:m|ever|mever)?",
    r"(?:no|some|any|every)body", r"told",
    r"g[eo]t(?:s|ting)?\s+on", r"go(?:es|ing)?\s+on", r"anew", r"for\s+good",
    r"(?<!there )(?:is|are|was|were)\s+no\s+(?!" + COMPARED + r")(?=[a-z])",
    r"(?<!there )(?:is|are)\s+none(?!\s+of)", r"is\s+not\s+there", r"must\s+be\s+there",
    r"is\s+there\s+already", r"(?:it|one|they)\s+(?:is|are)\s+for",
    r"puts?\s+right",
]) + r")\b", re.IGNORECASE)

# The names of tests are sentences, too, without spaces between the words.
TEST_NAME = re.compile(r"\b(?:TYPED_)?TEST(?:_[FP])?\(\s*\w+,\s*(\w+)")
WORD = re.compile(r"[A-Z](?:[a-z]+|[A-Z0-9]*(?![a-z]))|[a-z]+|\d+")
NAME_PHRASES = re.compile(
    r"\b(?:who(?:m|ever|mever)?|(?:no|some|any|every)body|told|g[eo]t(?:s|ting)? on"
    r"|go(?:es|ing)? on|anew|for good|forgives?|last words)\b", re.IGNORECASE)

# A comment behind code names the quantity and its unit: "Bytes of one chunk.", not
# "Of one chunk."
FRAGMENT = re.compile(r"^[^\n]*[^\s/][^\n]*(// (?:Of|As|Likewise)\b)", re.MULTILINE)

# Generated files, and texts that are data.
SKIPPED = re.compile(r"\.(json|jsonl|svg|png|safetensors|pyc)$|^LICENSE$"
                     r"|^tests/(golden|fuzz/corpus)/|^tests/prose\.py$")

# What a phrase must not cross, instead of the code between two comments.
BARRIER = "\x00"

CPP = re.compile(
    r'R"(?P<delimiter>[^(\s]*)\((?P<raw>.*?)\)(?P=delimiter)"'
    r'|"(?P<text>(?:\\.|[^"\\\n])*)"'
    r"|'(?:\\.|[^'\\\n])+'"
    r"|//(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/", re.DOTALL)
SCRIPT = re.compile(
    r'(?:"""(?P<doc>.*?)""")'
    r'|"(?P<text>(?:\\.|[^"\\\n])*)"'
    r"|'(?P<single>(?:\\.|[^'\\\n])*)'"
    r"|(?<![^\s])#(?P<line>[^\n]*)", re.DOTALL)
MARKDOWN_CODE = re.compile(r"^\s*```.*?^\s*```\s*$|`[^`\n]*`",
                           re.DOTALL | re.MULTILINE)


def is_prose(group, text):
    """Whether the content of a literal or a comment is text for a reader."""
    if group not in ("text", "single", "raw"):
        return True
    return " " in text.strip()


def prose(path, source):
    """Returns the source with everything but its prose replaced.

    The result is as long as the source and has the same line ends. White space
    between two comments, or between two adjacent literals, stays white space.
    """
    if path.suffix == ".md":
        return MARKDOWN_CODE.sub(
            lambda m: re.sub(r"[^\n]", BARRIER, m.group()), source)
    if path.suffix == ".txt" and path.name != "CMakeLists.txt":
        return source
    pattern = CPP if path.suffix in (".h", ".cc", ".cu", ".proto") else SCRIPT
    out, end = [], 0
    for match in pattern.finditer(source):
        group = match.lastgroup
        out.append(blank(source[end:match.start()]))
        end = match.end()
        if group is None or not is_prose(group, match.group(group)):
            out.append(blank(match.group()))
            continue
        start, stop = match.span(group)
        out.append(" " * (start - match.start()))
        text = source[start:stop].replace("\\n", "  ")
        out.append(re.sub(r"`[^`\n]*`", lambda m: blank(m.group()), text))
        out.append(" " * (end - stop))
    out.append(blank(source[end:]))
    return "".join(out)


def blank(code):
    """Replaces code by barriers and keeps its white space."""
    return re.sub(r"\S", BARRIER, code)


def hits(path, source):
    """Yields (line number, phrase) for each hit in a file."""
    for match in PHRASES.finditer(prose(path, source)):
        line = source.count("\n", 0, match.start()) + 1
        yield line, " ".join(match.group().split())
    if path.suffix not in (".h", ".cc", ".cu"):
        return
    for match in FRAGMENT.finditer(source):
        line = source.count("\n", 0, match.start(1)) + 1
        yield line, match.group(1)
    for name in TEST_NAME.finditer(source):
        words = " ".join(WORD.findall(name[1]))
        for match in NAME_PHRASES.finditer(words):
            line = source.count("\n", 0, name.start(1)) + 1
            yield line, f"{match.group()} (in the name of a test)"


def check_itself():
    """Requires that the patterns tell the old dialect from plain English."""
    found = ("// Grows while it gets on.\n", "// What is no\n  // file.\n",
             'Fail("waits for somebody");\n', "/* It is\n none. */\n",
             "TEST(AbcTest, NobodyIsHeard) {\n",
             "int64_t count;  // Of one task.\n",
             "TEST_F(AbcTest,\n       AJobGoesOn) {\n", "TEST(A, BeginsAnew) {\n")
    for text in found:
        assert list(hits(pathlib.Path("x.cc"), text)), text
    plain = ("// There is no file, and it is no longer used.\n",
             "int who = nobody;  // `who` is a name.\n",
             'Call("who");  // One word is an identifier.\n',
             "// The step is\nno(file);\n",
             "// For people who change Aha.\n",
             "int64_t count;  // Elements of one task.\n", "// As ever.\n",
             "TEST(WhoTest, TheWholeJobContinues) {\n",
             "TEST(AbcTest, AJobWhoseNameIsLong) {\n")
    for text in plain:
        assert not list(hits(pathlib.Path("x.cc"), text)), text


def tracked():
    """Returns the files that people write: those that git tracks.

    Without git, as in an unpacked archive, all files outside of what a build or
    a run makes.
    """
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True,
                            check=False, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if path.is_file() and path.relative_to(ROOT).parts[0] not in
                 (".git", "build", "models", "runs")]
    return [ROOT / name for name in names if not SKIPPED.search(name)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("paths", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    check_itself()
    count = 0
    for path in options.paths or tracked():
        try:
            source = path.read_text()
        except (FileNotFoundError, UnicodeDecodeError):
            continue  # Deleted in this work tree, or not text.
        for line, phrase in hits(path, source):
            shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(f"{shown}:{line}: {phrase}")
            count += 1
    print(f"{count} hits, at most {options.limit} allowed")
    return 1 if count > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
