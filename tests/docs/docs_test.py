#!/usr/bin/env python3
"""Checks that the documents' instructions work with the real programs.

  docs_test.py BUILD_BIN_DIRECTORY

Checks README.md, CONTRIBUTING.md, docs/*.md and the comments of recipes/*.yaml:

* every command of ours (ahactl, aha-*, make), in a block or in `backticks`,
  names subcommands, flags, recipes and targets that exist;
* blocks fenced as "sh runnable" are run, line by line, in a scratch directory
  that holds recipes/ (with fewer steps) and nothing else;
* every path, link and AHA_ variable that is named exists;
* what docs/run-directory.md lists is what a real run leaves behind;
* what `make install` installs is enough to run a job.
"""
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
         *sorted((ROOT / "docs").glob("*.md"))]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
OURS = re.compile(r"^(ahactl|aha-[a-z]+)$")


def blocks(page):
    """Returns (info string, lines) of each fenced block."""
    found, info, lines = [], None, []
    for line in page.read_text().splitlines():
        fence = re.match(r"^\s*```(.*)$", line)
        if fence and info is None:
            info, lines = fence.group(1).strip(), []
        elif fence:
            found.append((info, lines))
            info = None
        elif info is not None:
            lines.append(line)
    return found


def joined(lines):
    """Joins lines that end in a backslash with the next one."""
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def spans(page):
    """Returns the `backticks` spans outside of blocks."""
    text = re.sub(r"(?ms)^\s*```.*?^\s*```\s*$", "", page.read_text())
    return re.findall(r"`([^`\n]+)`", text)


def mentioned(page):
    """Returns the lines and spans that may contain a command."""
    if page.suffix == ".yaml":
        return [line.lstrip("# ") for line in page.read_text().splitlines()
                if line.startswith("#   ")]
    lines = [line for info, block in blocks(page) if info.split()[:1] == ["sh"]
             for line in joined(block)]
    indented = [line.strip() for line in page.read_text().splitlines()
                if line.startswith("    ahactl")]
    return lines + indented + spans(page)


def commands(page):
    """Returns the argument lists of our programs and of make."""
    for text in mentioned(page):
        text = re.split(r"\s#\s", text)[0]
        for part in re.split(r"&&|\|\||[|;]", text):
            try:
                words = shlex.split(part.strip(" <()"))
            except ValueError:
                continue
            while words and re.match(r"^[A-Z_]+=", words[0]):
                words.pop(0)
            if words and (OURS.match(words[0]) or words[0] == "make"):
                yield words


@functools.lru_cache(maxsize=None)
def help_of(*command):
    """Returns the help of a (sub)command, or None if it does not exist."""
    program = BIN / command[0]
    if not program.exists():
        return None
    done = subprocess.run([program, *command[1:], "--help"], text=True,
                          capture_output=True, check=False)
    return done.stdout + done.stderr if done.returncode == 0 else None


def subcommands(text):
    section = re.search(r"(?ms)^Subcommands:\n(.*?)(\n\n|\Z)", text or "")
    return re.findall(r"(?m)^  ([a-z-]+) ", section.group(1)) if section else []


def flags_of(text):
    return set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", text or ""))


@functools.lru_cache(maxsize=None)
def every_flag():
    flags = set()
    for program in sorted(set(BIN.glob("aha*")) - set(BIN.glob("*.py"))):
        todo = [[program.name]]
        while todo:
            command = todo.pop()
            text = help_of(*command)
            flags |= flags_of(text)
            todo += [command + [name] for name in subcommands(text)]
    return flags


class Documents(unittest.TestCase):
    def test_every_command_exists(self):
        checked = 0
        for page in [*PAGES, *RECIPES]:
            for words in commands(page):
                with self.subTest(page=page.name, command=" ".join(words)):
                    if words[0] == "make":
                        self.check_make(words)
                    else:
                        self.check_program(words)
                    checked += 1
        self.assertGreater(checked, 20, "the commands were not found")

    def check_make(self, words):
        targets = re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text())
        for word in words[1:]:
            if re.match(r"^[a-z][a-z0-9-]*$", word):
                self.assertIn(word, targets)

    def check_program(self, words):
        command, rest = [words[0]], words[1:]
        while rest and rest[0] in subcommands(help_of(*command)):
            command.append(rest.pop(0))
        text = help_of(*command)
        self.assertIsNotNone(text, f"{' '.join(command)} does not run")
        if subcommands(text) and rest and not rest[0].startswith("-"):
            self.fail(f"{' '.join(command)} has no command {rest[0]}")
        for word in rest:
            if re.match(r"^--?[a-zA-Z]", word):
                self.assertIn(word.split("=")[0], flags_of(text) | {"--version"})
            if word.startswith("recipes/"):
                self.assertTrue((ROOT / word).is_file(), f"no {word}")

    def test_every_flag_exists(self):
        for page in PAGES:
            for span in spans(page):
                if re.match(r"^--[a-z][\w-]*( [A-Z]+)?$", span):
                    with self.subTest(page=page.name, flag=span):
                        self.assertIn(span.split()[0], every_flag())

    def test_every_path_and_link_exists(self):
        folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
        folders -= {"build", "runs", "models", "docs"} | {
            folder for folder in folders if folder.startswith(".")}
        for page in PAGES:
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
                with self.subTest(page=page.name, link=link):
                    if "://" not in link:
                        self.assertTrue((page.parent / link).exists())
            for span in spans(page):
                path = span.rstrip("/")
                if re.match(r"^[\w.-]+(/[\w.-]+)+$", path) and (
                        path.split("/")[0] in folders | {"docs"}):
                    with self.subTest(page=page.name, path=span):
                        self.assertTrue((ROOT / path).exists())

    def test_every_variable_exists(self):
        sources = "\n".join(
            path.read_text(errors="replace")
            for folder in ("actor", "base", "cli", "cluster", "coordinator", "device",
                           "job", "learner", "model", "ops", "reward_service", "rpc",
                           "tests/job", "deploy")
            for path in sorted((ROOT / folder).rglob("*")) if path.is_file())
        for page in PAGES:
            for name in set(re.findall(r"\bAHA_[A-Z_]+\b", page.read_text())):
                with self.subTest(page=page.name, variable=name):
                    self.assertIn(name, sources)


class Runnable(unittest.TestCase):
    """Runs the blocks fenced as "sh runnable" in one scratch directory."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.scratch.name)
        (cls.dir / "recipes").mkdir()
        for recipe in RECIPES:
            text = re.sub(r"(?m)^(      steps:) \d+$", r"\1 3", recipe.read_text())
            (cls.dir / "recipes" / recipe.name).write_text(text)
        shutil.copytree(ROOT / "recipes" / "rewards", cls.dir / "recipes" / "rewards")
        cls.outputs = {}
        for page in PAGES:
            for info, lines in blocks(page):
                if info == "sh runnable":
                    cls.run_block(page, joined(lines))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def run_block(cls, page, lines):
        environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
        for line in lines:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], text=True,
                                  cwd=cls.dir, env=environment, capture_output=True,
                                  timeout=250, check=False)
            cls.outputs[line] = done.stdout
            if done.returncode != 0:
                raise AssertionError(f"{page.name}: `{line}` exits with "
                                     f"{done.returncode}\n{done.stdout}{done.stderr}")

    def test_no_control_characters_in_a_pipe(self):
        self.assertGreater(len(self.outputs), 5)
        for line, output in self.outputs.items():
            with self.subTest(command=line):
                self.assertNotRegex(output, r"[\x00-\x08\x0b-\x1f\x7f]")

    def test_another_cluster_gives_the_same_checksum(self):
        checksums = {json.loads(path.read_text())["checksum"]
                     for path in self.dir.glob("runs/*/summary.json")}
        self.assertGreater(len(list(self.dir.glob("runs/*"))), 1)
        self.assertEqual(len(checksums), 1, checksums)

    def test_the_run_directory_is_as_documented(self):
        run = self.dir / "runs" / "tiny"
        page = ROOT / "docs" / "run-directory.md"
        rows = dict(re.findall(r"(?m)^\| (`[^|]+`) \| (.*) \|$", page.read_text()))
        text = page.read_text()
        for name in sorted(path.name for path in run.iterdir()):
            with self.subTest(left=name):
                self.assertIn(name, text, "a file that the page does not explain")
        self.check_keys(rows["`metrics.jsonl`"], self.line(run / "metrics.jsonl"),
                        # `kl` is present with a KL penalty, which tiny has not.
                        inner=("kl",))
        rollout = self.line(run / "rollouts" / "step-000000.jsonl")
        self.check_keys(rows["`rollouts/step-NNNNNN.jsonl`"], rollout)
        summary = json.loads((run / "summary.json").read_text())
        self.check_keys(rows["`summary.json`"].replace("`eval`", ""), summary,
                        # `problem` is present if the job failed, and
                        # `not_reproducible` if a reward answered differently.
                        inner=("problem", "not_reproducible", "name", "type", "before", "after", "prompts", "pass_at_1",
                               "mean_completion_length", "tokens_compared",
                               "tokens_differing"))

    def line(self, path):
        return json.loads(path.read_text().splitlines()[0])

    def check_keys(self, words, found, inner=()):
        for span in re.findall(r"`([^`]+)`", words):
            for key in span.split():
                if key in inner:
                    continue
                pattern = re.escape(key).replace(re.escape("<component>"), "[^/]+")
                with self.subTest(key=key):
                    self.assertTrue(any(re.fullmatch(pattern, k) for k in found),
                                    f"{key} is not among {sorted(found)}")


class Installed(unittest.TestCase):
    def test_programs_and_recipes_stand_on_their_own(self):
        with tempfile.TemporaryDirectory() as scratch:
            prefix = pathlib.Path(scratch) / "prefix"
            # `make install` runs the same command.
            self.call(scratch, "cmake", "--install", BIN.parent, "--prefix", prefix)
            ahactl = prefix / "bin" / "ahactl"
            self.assertIn("ahactl ", self.call(scratch, ahactl, "--version"))
            self.call(scratch, ahactl, "run", prefix / "share/aha/recipes/tiny.yaml",
                      "--set", "stages[0].grpo.steps=1", "--dir", "run")
            models = sorted(pathlib.Path(scratch).glob("run/checkpoints/*/model"))
            self.assertEqual(len(models), 1)
            self.call(scratch, prefix / "bin" / "aha-model", "inspect", models[0])

    def call(self, directory, *command):
        """Returns its output; no other program of ours is on PATH."""
        done = subprocess.run(list(map(str, command)), text=True, cwd=directory,
                              capture_output=True, timeout=250, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
