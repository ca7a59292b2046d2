#!/usr/bin/env python3
"""Writes wrong_answers.jsonl: answers that no verifier may pay.

Each line is {"kind", "reference", "answer"}; the answer is not the reference
by any convention that docs/verifiers.md accepts (a percent sign as a unit or
as a division by 100, a unit left out).  The generator was written before the
verifier `math`, so it knows nothing of how that works.

  tests/rewards/make_wrong_answers.py > tests/rewards/wrong_answers.jsonl
"""
import json
import random
from fractions import Fraction

RNG = random.Random(20261130)
PAIRS = []
SEEN = set()


def wrong(kind, reference, *answers):
    for answer in answers:
        key = (reference, answer)
        if reference != answer and key not in SEEN:
            SEEN.add(key)
            PAIRS.append({"kind": kind, "reference": reference,
                          "answer": answer})


def integers():
    for _ in range(24):
        n = RNG.randint(12, 98765)
        if str(n) == str(n)[::-1]:
            continue
        s = str(n)
        wrong("integer", s, str(n + 1), str(n - 1), "-" + s, s + "0",
              s[:-1], s[1:].lstrip("0") or "0", s[::-1], "%s.%s" % (s[0], s[1:]),
              "\\frac{1}{%s}" % s)
    wrong("integer", "9007199254740993", "9007199254740992")
    wrong("integer", "0", "1", "-1", "0.0000001", "\\infty")
    wrong("integer", "5", "0.5", "5.1", "-5", "$-5", "-$5", "-\\$5", "- 5",
          "\u22125", "\u20135", "5\u00bd", "5^2", "5!", "55", "\\sqrt{5}",
          "5i", "5\\pi", "5x", "x", "5e1", "5,5", "5 and 6", "5 or 6",
          "4 or 5", "{5,6}", "(5,5)", "not 5", "\\neq 5", "x \\ne 5", "> 5",
          "x > 5", "\\ge 5", "< 5")


def fractions():
    for _ in range(22):
        a, b = RNG.sample(range(2, 60), 2)
        f = Fraction(a, b)
        if f.denominator == 1:
            continue
        a, b = f.numerator, f.denominator
        ref = RNG.choice(["\\frac{%d}{%d}", "%d/%d", "\\dfrac{%d}{%d}"]) % (a, b)
        wrong("fraction", ref, "%d%d" % (a, b), "\\frac{%d}{%d}" % (b, a),
              "%d.%d" % (a, b), str(a), str(b), "%d/%d" % (a + 1, b),
              "\\frac{%d}{%d}" % (a, b + 1), "-\\frac{%d}{%d}" % (a, b),
              "\\frac{-%d}{%d}" % (a, b), "%d - %d" % (a, b),
              "%d \\cdot %d" % (a, b), "(%d, %d)" % (a, b))
    wrong("fraction", "\\frac{1}{3}", "0.3", "0.33", "0.333", "0.34", "3",
          "\\frac{1}{3}\\pi", "\\frac{1}{3^2}", "1/33", "13")
    wrong("fraction", "\\frac{1}{2}", "12", "2", "1", "1.2", "0.05", "2/1",
          "\\frac12 \\cdot 2", "-0.5", "\\frac{1}{-2}", "\\frac1{22}")
    wrong("fraction", "\\frac{1}{1+\\frac{1}{2}}", "\\frac{3}{2}", "\\frac{1}{3}",
          "1 + \\frac{1}{2}")


def powers():
    wrong("power", "10^5", "105", "10^6", "10^4", "10^{-5}", "50", "5^{10}",
          "5", "10000", "1000000")
    wrong("power", "2^{10}", "210", "20", "2^{11}", "10^2", "1025", "512")
    for b, e in ((3, 4), (2, 7), (5, 3), (7, 2), (12, 2), (9, 5)):
        wrong("power", "%d^{%d}" % (b, e), "%d%d" % (b, e), str(b * e),
              "%d^{%d}" % (b, e + 1), "%d^{%d}" % (b, e - 1),
              "%d^{-%d}" % (b, e), str(b ** e + 1), "-%d" % b ** e)
    wrong("scientific", "3\\times 10^5", "3 \\times 10^{-5}",
          "3\\times 10^6", "30^5", "3105", "3 + 10^5", "3e4", "0.3e5")
    wrong("scientific", "3.5e5", "3.5", "3.5e6", "3.5e-5", "35e5", "3.55")
    wrong("scientific", "6.02 \\times 10^{23}", "6.02", "6.02 \\times 10^{22}",
          "6.2 \\times 10^{23}", "60.2 \\times 10^{23}")


def decimals():
    for value in ("3.14", "0.5", "2.75", "0.125", "19.99", "100.01", "0.0625"):
        whole, part = value.split(".")
        wrong("decimal", value, whole + part, whole, part, "-" + value,
              value + "1", value[:-1] + str((int(value[-1]) + 1) % 10),
              "%s.%s%s" % (whole, "0", part), "%s%s.%s" % (whole, part[0], part[1:] or "0"),
              whole + ".")
    wrong("decimal", "1", "0.999", "0.99999", "1.00001")
    wrong("decimal", "0.\\overline{3}", "0.3", "0.33", "3", "0.\\overline{4}")
    wrong("decimal", "0.\\overline{12}", "0.12", "0.1\\overline{2}", "12")
    wrong("thousands", "1,234", "1.234", "234", "1", "12,34", "1,235", "11,234")
    wrong("thousands", "1{,}234{,}567", "1,234", "1.234567", "1234567.1", "234567")


def money_and_percent():
    wrong("money", "\\$5", "-\\$5", "\\$-5", "\\$50", "\\$0.5", "5%", "\\$5.01",
          "5\\text{ cents}")
    wrong("money", "-5", "\\$5", "5", "$5")
    wrong("money", "\\$1,234.50", "\\$1,234", "\\$1.2345", "\\$234.50",
          "-\\$1,234.50", "\\$1,234.05")
    for p in (12, 25, 40, 7, 150):
        wrong("percent", "%d\\%%" % p, "%.1f" % (p / 10), "%.3f" % (p / 1000),
              str(p * 10), str(p * 100), "%d\\%%" % (p + 1), "-%d\\%%" % p,
              "%.2f\\%%" % (p / 100), "%d\\%%" % (100 - p))


def collections():
    for _ in range(12):
        a, b, c = RNG.sample(range(-20, 30), 3)
        d = RNG.randint(31, 40)
        wrong("tuple", "(%d, %d)" % (a, b), "(%d, %d)" % (b, a),
              "(%d, %d)" % (a, d), "(%d, %d)" % (-a or d, b),
              "(%d, %d, %d)" % (a, b, c), "%d" % a, "%d" % b,
              "[%d, %d)" % (a, b), "%d" % (a + b), "(%d)" % a,
              "(%d, %d), (%d, %d)" % (a, b, b, a))
        wrong("triple", "(%d, %d, %d)" % (a, b, c), "(%d, %d, %d)" % (c, b, a),
              "(%d, %d)" % (a, b), "(%d, %d, %d)" % (b, a, c),
              "(%d, %d, %d)" % (a, b, d), "%d%d%d" % (abs(a), abs(b), abs(c)))
        wrong("set", "\\{%d, %d, %d\\}" % (a, b, c), "\\{%d, %d\\}" % (a, b),
              "\\{%d, %d, %d\\}" % (a, b, d),
              "\\{%d, %d, %d, %d\\}" % (a, b, c, d), "%d" % a,
              "\\{%d\\}" % b, "\\emptyset", "\\{\\}")
        wrong("list", "%d, %d, %d" % (a, b, c), "%d, %d" % (a, b),
              "%d, %d, %d" % (a, b, d), "%d,%d,%d,%d" % (a, b, c, d),
              "%d" % c)
    wrong("tuple", "\\left(3, \\frac{\\pi}{2}\\right)", "\\left(3, \\frac{\\pi}{4}\\right)",
          "\\left(\\frac{\\pi}{2}, 3\\right)", "\\left(3, -\\frac{\\pi}{2}\\right)",
          "3\\frac{\\pi}{2}", "(3, 1.5)", "(3, \\pi, 2)")
    wrong("set", "\\{1, 2\\}", "\\{12\\}", "12", "\\{1, 22\\}", "\\{-1, 2\\}",
          "\\{1,1\\}", "[1, 2)", "1 < 2", "\\{1\\} \\cap \\{2\\}")
    wrong("set", "\\emptyset", "0", "\\{0\\}", "\\{\\emptyset\\}", "\\phi", "1")


def intervals():
    ends = [("0", "1"), ("-2", "3"), ("\\frac{1}{2}", "4"), ("-5", "-1"),
            ("\\sqrt{2}", "7")]
    for low, high in ends:
        for left, right in (("(", ")"), ("[", "]"), ("[", ")"), ("(", "]")):
            ref = "%s%s, %s%s" % (left, low, high, right)
            other_left = "[" if left == "(" else "("
            other_right = "]" if right == ")" else ")"
            wrong("interval", ref, "%s%s, %s%s" % (other_left, low, high, right),
                  "%s%s, %s%s" % (left, low, high, other_right),
                  "%s%s, %s%s" % (left, low, "9", right),
                  "%s%s, %s%s" % (left, "-9", high, right),
                  "%s%s, %s%s" % (left, high, low, right))
    wrong("interval", "(-\\infty, 2]", "(-\\infty, 2)", "(2, \\infty)",
          "[2, \\infty)", "(\\infty, 2]", "(-\\infty, -2]", "x \\ge 2", "2",
          "x < 2", "(-\\infty, \\infty)")
    wrong("union", "(-\\infty,0)\\cup(1,\\infty)", "(-\\infty,0)", "(1,\\infty)",
          "(-\\infty,0]\\cup(1,\\infty)", "(-\\infty,0)\\cup[1,\\infty)",
          "(-\\infty,1)\\cup(0,\\infty)", "(0,1)", "(-\\infty,0)\\cap(1,\\infty)",
          "(-\\infty,0)\\cup(2,\\infty)", "(-\\infty,\\infty)")
    wrong("union", "[0,1]\\cup[3,4]", "[0,4]", "[0,1]", "[0,1]\\cup[3,4)",
          "[0,1]\\cup[2,4]", "(0,1)\\cup(3,4)", "\\{0,1,3,4\\}")


def radicals_and_constants():
    wrong("radical", "2\\sqrt{3}", "3\\sqrt{2}", "\\sqrt{6}", "23", "2\\sqrt{5}",
          "-2\\sqrt{3}", "2 + \\sqrt{3}", "\\sqrt{2\\cdot 3}", "3.46", "3.5",
          "2\\sqrt[3]{3}", "2^{\\sqrt{3}}", "\\frac{2}{\\sqrt{3}}", "2", "6", "12",
          "2\\sqrt{-3}", "2\\sqrt{3}i")
    wrong("radical", "1+\\sqrt{2}", "\\sqrt{3}", "1-\\sqrt{2}", "-1+\\sqrt{2}",
          "\\sqrt{2}", "2", "3", "2.4", "2.41", "1\\pm\\sqrt{2}", "\\sqrt{1+2}")
    wrong("radical", "\\sqrt[3]{2}", "\\sqrt{2}", "3\\sqrt{2}", "\\sqrt[4]{2}",
          "2^3", "2^{3}", "1.26", "\\sqrt[2]{3}", "\\frac{2}{3}")
    wrong("radical", "\\frac{\\sqrt{3}}{2}", "\\frac{\\sqrt{2}}{3}", "\\frac{3}{2}",
          "\\sqrt{\\frac{3}{2}}", "\\frac{\\sqrt{3}}{3}", "\\frac{2}{\\sqrt{3}}",
          "0.87", "-\\frac{\\sqrt{3}}{2}", "\\frac{1}{2}")
    wrong("radical", "\\sqrt{5+2\\sqrt{6}}", "\\sqrt{2}-\\sqrt{3}", "\\sqrt{5}+2\\sqrt{6}",
          "\\sqrt{2}+\\sqrt{5}", "\\sqrt{5-2\\sqrt{6}}")
    wrong("pi", "2\\pi", "\\pi", "2", "6.28", "6.3", "\\pi^2", "4\\pi", "-2\\pi",
          "2 + \\pi", "\\frac{\\pi}{2}", "360", "2p", "2i\\pi", "\\frac{2}{\\pi}")
    wrong("pi", "\\frac{\\pi}{3}", "\\frac{\\pi}{6}", "\\frac{3}{\\pi}", "60", "1.05",
          "\\frac{2\\pi}{3}", "\\frac{1}{3}", "-\\frac{\\pi}{3}", "\\pi - 3")
    wrong("pi", "3", "\\pi", "3\\pi", "22/7")
    wrong("e", "e^2", "2e", "e^3", "e^{-2}", "7.4", "e", "2", "e2", "2^e", "e + 2")
    wrong("log", "\\log_2 3", "\\log_3 2", "\\log 3", "\\ln 3", "3", "\\log_2 4", "2^3")
    wrong("log", "\\ln 2", "\\ln 3", "2", "0.69", "\\log_{10} 2", "-\\ln 2", "\\frac{1}{\\ln 2}",
          "e^2")
    wrong("log", "3", "\\log_2 9", "\\log_2 16", "\\log_3 8")
    wrong("factorial", "5!", "5", "25", "4!", "6!", "120.5", "15", "-5!")
    wrong("binomial", "\\binom{6}{2}", "\\frac{6}{2}", "\\binom{6}{3}", "62", "12",
          "(6,2)", "\\binom{2}{6}", "30")
    wrong("complex", "3+4i", "3-4i", "4+3i", "7", "7i", "5", "-3-4i", "3+4", "3+4j^2",
          "(3,4)", "-3+4i", "3+i4^2")
    wrong("complex", "i", "-i", "1", "\\sqrt{1}", "i^2", "0", "-1")
    wrong("infinity", "\\infty", "-\\infty", "0", "8", "10^{100}", "\\text{undefined}")
    wrong("trigonometry", "\\sin 60^\\circ", "\\cos 60^\\circ", "\\sin 30^\\circ",
          "\\sin 60", "\\frac{1}{2}", "60")
    wrong("absolute", "|-5|", "-5", "|5| + 1", "5i")
    wrong("floor", "\\lfloor 2.5 \\rfloor", "2.5", "3", "\\lceil 2.5 \\rceil")
    wrong("plus-minus", "\\pm 5", "5", "-5", "\\pm 6", "\\pm 5i", "\\pm\\sqrt{5}", "0")
    wrong("plus-minus", "1\\pm\\sqrt{2}", "1+\\sqrt{2}", "1-\\sqrt{2}", "-1\\pm\\sqrt{2}",
          "2\\pm\\sqrt{1}", "1\\pm\\sqrt{3}", "1, \\sqrt{2}")


def expressions():
    wrong("polynomial", "x^2+2x+1", "x^2+2x-1", "x^2-2x+1", "x^2+2x", "2x^2+2x+1",
          "x^3+2x+1", "(x-1)^2", "(x+1)^3", "x^2+1", "y^2+2y+1", "x+1", "x^2+2x+1=0",
          "-x^2-2x-1", "\\frac{1}{x^2+2x+1}", "x^{2+2x+1}", "4")
    wrong("polynomial", "(x-1)(x+2)", "(x+1)(x-2)", "(x-1)(x-2)", "x^2+x+2", "x^2-x-2",
          "(x-1)+(x+2)", "x-1", "1, -2", "(x-1, x+2)", "x^2-2")
    wrong("polynomial", "6x^3-4x^2+13x-2", "6x^3-4x^2+13x+2", "6x^3+4x^2+13x-2",
          "6x^2-4x^3+13x-2", "6x^3-4x^2+31x-2", "6x^3-4x^2-2", "6x^3-4x+13x-2",
          "63-42+13-2")
    wrong("polynomial", "a^2-b^2", "(a-b)^2", "a^2+b^2", "b^2-a^2", "(a-b)(b-a)",
          "a^2-b", "x^2-y^2", "(a+b)(a+b)")
    wrong("polynomial", "2x+3", "3x+2", "2x-3", "2(x+3)", "2x^3", "2x3", "5x", "2+3",
          "2x+3y", "23x", "-2x+3", "2y+3")
    wrong("rational", "\\frac{x+1}{x-1}", "\\frac{x-1}{x+1}", "x+\\frac{1}{x}-1", "-1",
          "\\frac{x+1}{x-2}", "\\frac{x+1}{1-x}", "\\frac{(x+1)^2}{(x-1)^2}",
          "\\frac{y+1}{y-1}", "x+1/x-1", "1+\\frac{1}{x-1}")
    wrong("rational", "\\frac{1}{x}+\\frac{1}{y}", "\\frac{1}{x+y}", "\\frac{2}{x+y}",
          "\\frac{x+y}{2xy}", "\\frac{xy}{x+y}", "\\frac{1}{xy}", "\\frac{1}{x}-\\frac{1}{y}")
    wrong("exponential", "2^{x+1}", "2^x+1", "2^{x-1}", "2(x+1)", "2x+1", "x^2+1", "2^{x}",
          "4^{x}", "3^{x+1}")
    wrong("trigonometry", "\\sin 2x", "2\\sin x", "\\sin x^2", "\\sin^2 x", "\\cos 2x",
          "\\sin x\\cos x", "\\sin 2y", "-\\sin 2x", "\\tan 2x", "\\sin(2)x")
    wrong("trigonometry", "\\sec^2 x", "\\tan^2 x", "\\tan^2 x - 1", "\\csc^2 x", "\\cos^2 x",
          "\\sec x", "1")
    wrong("trigonometry", "\\sin^2 x", "\\sin x", "1 + \\cos^2 x", "\\cos^2 x", "1 - \\cos x",
          "\\sin x^2", "\\sin 2x")
    wrong("trigonometry", "\\arctan 2", "\\tan 2", "\\arctan\\frac{1}{2}", "\\arcsin 2", "-\\arctan 2")
    wrong("radical", "\\sqrt{x^2+1}", "x+1", "x", "\\sqrt{x+1}", "\\sqrt{x^2-1}", "x^2+1",
          "-\\sqrt{x^2+1}", "\\sqrt{y^2+1}", "|x|+1")
    wrong("subscript", "a_1", "a_2", "a", "a1^2", "b_1", "1")
    wrong("base", "1010_2", "1011_2", "1010_3", "1010_{10}", "-1010_2")
    wrong("base", "4210_5", "4210_6", "4211_5", "421_5", "4120_5")
    wrong("ratio", "3:4", "4:3", "3:5", "7", "3:4:5", "34", "-3:4")
    wrong("time", "3:45", "3:54", "4:45", "345", "3:45:01", "15:45")


def relations():
    wrong("equation", "x=5", "x=-5", "y=5", "x=6", "x \\ne 5", "x>5", "x \\le 5", "5x",
          "x=5, y=6", "x=5 \\text{ or } x=6", "x=\\frac{1}{5}", "x = 5i", "x^2=5", "-5", "2x = 10",
          "3x + 7 = 22", "x + y = 5 + y")
    wrong("equation", "y=2x+1", "y=2x-1", "x=2y+1", "y=x+2", "y=-2x+1", "y>2x+1",
          "y=2x", "y^2=2x+1", "z=2x+1", "y=2z+1", "y=3x+1")
    wrong("equation", "3x+4y-12=0", "3x+4y+12=0", "3x-4y-12=0", "4x+3y-12=0", "3x+4y-12",
          "6x+8y-12=0", "3x+4y=0", "0", "3x+4y>12", "x=0")
    wrong("equation", "x^2+y^2=25", "x^2+y^2=5", "x^2-y^2=25", "x+y=5", "x^2+y^2<25", "25",
          "(x+y)^2=25", "x^2+y^2+25=0", "x^2+2y^2=25", "x^3+y^3=25")
    wrong("inequality", "x<5", "x>5", "x\\le 5", "x<-5", "x<6", "y<5", "5<x", "-x<5",
          "x=5", "5", "(5, \\infty)", "(-\\infty, 5]", "2x<5", "x \\ge 5", "-x<-5", "2x<10", "x + 1 < 6")
    wrong("inequality", "2<x<5", "2<x\\le 5", "2\\le x<5", "5<x<2", "2<y<5", "x<5", "2<x",
          "2>x>5", "2<x<6", "-2<x<5", "[2,5]", "(2,5]", "x<2 \\text{ or } x>5", "(5,2)")
    wrong("inequality", "x\\ge -3", "x\\le -3", "x\\ge 3", "x>-3", "-3 \\ge x", "-x \\ge 3",
          "(-3,\\infty)", "[3,\\infty)", "(-\\infty,-3]", "x = -3")


def matrices():
    def m(rows, env="pmatrix"):
        body = " \\\\ ".join(" & ".join(str(x) for x in row) for row in rows)
        return "\\begin{%s} %s \\end{%s}" % (env, body, env)
    for _ in range(6):
        a, b, c, d = RNG.sample(range(-9, 10), 4)
        wrong("matrix", m([[a, b], [c, d]]), m([[a, c], [b, d]]), m([[b, a], [c, d]]),
              m([[a, b], [c, d + 1]]), m([[-a or 11, b], [c, d]]), m([[a, b]]),
              m([[a], [b], [c], [d]]), m([[c, d], [a, b]], "bmatrix"),
              m([[a, b, 0], [c, d, 0]]), str(a * d - b * c), "(%d,%d,%d,%d)" % (a, b, c, d))
        wrong("vector", m([[a], [b]]), m([[b], [a]]), m([[a], [b + 1]]), m([[a], [b], [c]]),
              m([[a, b]]), "(%d,%d)" % (b, a), "\\frac{%d}{%d}" % (a, b or 10), str(a))
    wrong("determinant", m([[1, 2], [3, 4]], "vmatrix"), "2", "10", m([[1, 2], [3, 4]]))
    wrong("vector", "\\langle 1, 2 \\rangle", "\\langle 2, 1 \\rangle", "\\langle 1, -2 \\rangle",
          "\\langle 1, 2, 3 \\rangle", "3")


def words():
    for right, others in (("A", "BCDE"), ("B", "ACD"), ("(C)", "ABD"), ("\\text{D}", "ABC"),
                          ("\\text{(E)}", "ABF")):
        for other in others:
            wrong("choice", right, other, "(%s)" % other, "\\text{%s}" % other,
                  "\\textbf{(%s)}" % other)
        letter = [c for c in right if c in "ABCDE"][-1]
        wrong("choice", right, "%s,%s" % (letter, others[0]), "%s%s" % (letter, others[0]),
              "\\text{%s or %s}" % (letter, others[1]), "not %s" % letter, "-%s" % letter)
    for right, other in (("even", "odd"), ("yes", "no"), ("true", "false"), ("Monday", "Tuesday"),
                         ("Evelyn", "Carla"), ("ellipse", "circle"), ("increasing", "decreasing"),
                         ("no solution", "one solution"), ("convex", "concave")):
        wrong("word", "\\text{%s}" % right, other, "\\text{%s}" % other, "\\text{not %s}" % right,
              "\\text{%s and %s}" % (right, other), "\\mathrm{%s}" % right[:-1])
    for order in ("CAB", "DBCA"):
        wrong("order", order, *["".join(RNG.sample(order, len(order)))
                                for _ in range(6)])
    wrong("list", "x=5, y=6", "x=6, y=5", "6, 5", "(6, 5)", "y=5, x=6", "5", "x=5")
    wrong("word", "\\text{east}", "\\text{west}", "\\text{least}", "e a s", "\\text{eats}")
    for unit, others in (("cm", ("m", "mm", "km", "inches")), ("minutes", ("hours", "seconds")),
                         ("kg", ("g", "pounds")), ("cm^2", ("cm^3", "m^2")),
                         ("miles", ("feet", "kilometers"))):
        for other in others:
            wrong("unit", "5\\text{ %s}" % unit, "5\\text{ %s}" % other,
                  "6\\text{ %s}" % unit, "-5\\text{ %s}" % unit, "50\\text{ %s}" % unit,
                  "\\frac{1}{5}\\text{ %s}" % unit)
    wrong("degree", "90^\\circ", "9^\\circ", "-90^\\circ", "90\\pi", "90^2", "900",
          "90\\%", "\\frac{\\pi}{3}", "90i", "80^\\circ")
    for junk in ("", " ", "?", ".", "-", "\\frac{}{}", "\\sqrt{}", "I do not know", "\\text{none}",
                 "{}", "()", "\\", "^", "=", "= ", "x=", "\\boxed{}", "NaN", "nan", "None",
                 "\\dots", "...", "1/0", "\\frac{1}{0}", "0/0", "\\frac{7-7}{0}", "[]", "\\{\\}",
                 "\\text{}", "e", "\\infty - \\infty", "0^0 \\cdot 7", "any number", "7 or any number",
                 "all of them", "\\mathbb{R}", "(-\\infty,\\infty)", "n", "a", "\\{x\\}", "1..9",
                 "0,1,2,3,4,5,6,7,8,9", "6.9999", "7.0001", "7 apples and 8 pears"):
        wrong("junk", "7", junk)


def mixed():
    for whole, top, bottom in ((3, 1, 2), (7, 3, 4), (2, 2, 3), (11, 1, 8), (4, 5, 6)):
        ref = "%d\\frac{%d}{%d}" % (whole, top, bottom)
        wrong("mixed", ref, "\\frac{%d}{%d}" % (whole * top, bottom), str(whole),
              "%d%d/%d" % (whole, top, bottom), "%d\\frac{%d}{%d}" % (whole, top, bottom + 7),
              "%d\\frac{%d}{%d}" % (whole + 1, top, bottom), "-%s" % ref,
              "%d \\cdot \\frac{%d}{%d}" % (whole, top, bottom),
              "%d - \\frac{%d}{%d}" % (whole, top, bottom),
              "(%d, \\frac{%d}{%d})" % (whole, top, bottom), "%d.%d" % (whole, top))


for make in (integers, fractions, powers, decimals, money_and_percent, collections, intervals,
             radicals_and_constants, expressions, relations, matrices, words, mixed):
    make()
for pair in PAIRS:
    print(json.dumps(pair, ensure_ascii=False, sort_keys=True))
