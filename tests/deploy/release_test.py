#!/usr/bin/env python3
"""What a release says of itself: its version, license and dependencies."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def runtime_packages():
    """Returns the packages that the built programs need."""
    script = text("deploy/install-packages")
    block = re.search(r"--runtime\) packages=\((.*?)\)", script, re.S).group(1)
    return sorted(set(block.split()) - {"ca-certificates"})


class ReleaseTest(unittest.TestCase):

    def test_the_image_and_the_manifests_have_the_version_of_the_programs(self):
        version = re.search(r"project\(aha VERSION (\S+)",
                            text("CMakeLists.txt")).group(1)
        self.assertIn(f"ARG VERSION={version}\n", text("deploy/Dockerfile"))
        labels = []
        for path in (ROOT / "deploy/kubernetes").rglob("*.yaml"):
            labels += re.findall(r"app.kubernetes.io/version: (\S+)",
                                 path.read_text(encoding="utf-8"))
        self.assertTrue(labels)
        self.assertEqual(set(labels), {version})

    def test_the_license_is_apache_2(self):
        self.assertIn("Apache License", text("LICENSE"))
        self.assertIn("Version 2.0, January 2004", text("LICENSE"))
        self.assertIn('licenses="Apache-2.0"', text("deploy/Dockerfile"))

    def test_the_notice_names_every_package_that_the_programs_need(self):
        packages = runtime_packages()
        self.assertGreater(len(packages), 10)
        notice = text("NOTICE")
        missing = [name for name in packages
                   if not re.search(rf"(^|\s){re.escape(name)}[,\s]", notice)]
        self.assertEqual(missing, [])

    def test_the_notice_names_no_package_that_is_not_needed(self):
        table = text("NOTICE").split("license\n")[1].split("\n\n")[0]
        named = re.findall(r"(?:^|, )((?:lib|zlib)\S*?)(?=[,\s])", table, re.M)
        self.assertEqual(sorted(set(named)), runtime_packages())


if __name__ == "__main__":
    unittest.main()
