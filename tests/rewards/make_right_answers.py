#!/usr/bin/env python3
"""Writes right_answers.jsonl: one answer in many forms.

Each line is {"kind", "reference", "answer"}: the answer is the reference in
another form.  Part of them was made by SymPy, which rewrote expressions
(expand, factor, together, apart, ...):

  python3 -m venv venv && venv/bin/pip install sympy
  venv/bin/python tests/rewards/make_right_answers.py \\
      > tests/rewards/right_answers.jsonl
"""

import json
import random

import sympy as sp
from sympy import E, I, latex, pi, sqrt, symbols
from sympy import Rational as R

random.seed(7)
x, y, a, b, n, k = symbols("x y a b n k")
out = []


def add(k, r, *A):
    for t in A:
        if t != r:
            out.append(dict(kind=k, reference=r, answer=t))


for _ in range(30):
    p, q = random.randint(1, 60), random.randint(2, 60)
    f = R(p, q)
    if f.q == 1:
        continue
    L = latex(f)
    add(
        "fraction",
        L,
        "\\dfrac{%d}{%d}" % (f.p, f.q),
        "%d/%d" % (f.p, f.q),
        "\\frac{%d}{%d}" % (3 * f.p, 3 * f.q),
        "\\tfrac{%d}{%d}" % (f.p, f.q),
        "\\left(\\frac{%d}{%d}\\right)" % (f.p, f.q),
        "x = \\frac{%d}{%d}" % (f.p, f.q),
        str(f),
        "$\\frac{%d}{%d}$" % (f.p, f.q),
    )
    if f.p > f.q:
        add(
            "mixed",
            L,
            "%d\\frac{%d}{%d}" % (f.p // f.q, f.p % f.q, f.q),
            "%d %d/%d" % (f.p // f.q, f.p % f.q, f.q),
        )
    d = f.q
    while d % 2 == 0:
        d //= 2
    while d % 5 == 0:
        d //= 5
    if d == 1:
        add("dec", L, repr(float(f)))
    else:
        add("dec10", L, "%.10f" % float(f))
exprs = [
    (x + 1) ** 2,
    (x - 3) * (x + 4),
    x**3 - 1,
    (2 * x + 1) * (x - 5) / 3,
    a**2 - b**2,
    (a + b) ** 3,
    1 / x + 1 / y,
    (x + 1) / (x - 1),
    (x**2 - 1) / (x - 1) ** 2,
    sqrt(12),
    sqrt(50) + sqrt(2),
    (1 + sqrt(5)) / 2,
    2 ** R(1, 3),
    sqrt(3) / 3,
    pi / 6,
    3 * pi / 4,
    2 * pi**2,
    E**2,
    sp.exp(x) * 2,
    sp.sin(x) ** 2,
    sp.cos(2 * x),
    sp.tan(x),
    sp.log(2),
    sp.log(x * 2 + 1),
    3 + 4 * I,
    -2 * I,
    (1 + 2 * I) / 3,
    sqrt(x**2 + 1),
    x ** R(1, 2),
    sp.factorial(5),
    n * (n + 1) / 2,
    n**2 + n,
    2**n,
    2 ** (n + 1),
    sp.sin(pi / 5),
    sqrt(2 + sqrt(3)),
    x / (x**2 + 1),
    x**4 - 16,
    6 * x**2 - 5 * x + 1,
    (x - y) ** 2,
    x * y + x + y + 1,
    sp.Abs(x - 2),
    11 * sqrt(5) + 11,
    18 + 2 * pi,
    R(11, 20) + 9 * a / 20,
]
for e in exprs:
    L = latex(e)
    for g in (
        sp.expand,
        sp.factor,
        sp.simplify,
        sp.together,
        sp.apart if e.free_symbols and len(e.free_symbols) == 1 else sp.expand,
        lambda t: sp.expand(t, trig=True),
        sp.nsimplify,
        sp.radsimp,
        lambda t: sp.powsimp(t),
    ):
        try:
            t = g(e)
        except Exception:
            continue
        add("expr", L, latex(t), str(t).replace("**", "^"))
    try:
        if not e.free_symbols and e.is_real:
            add("num", L, "%.12f" % float(e))
    except Exception:
        pass
    add(
        "style",
        L,
        "$" + L + "$",
        "\\[" + L + "\\]",
        L.replace(" ", ""),
        "{" + L + "}",
        "f(x) = " + L if e.free_symbols else "x = " + L,
    )
M = sp.Matrix([[1, R(1, 2)], [-3, 4]])
add(
    "matrix",
    latex(M, mat_str="pmatrix", mat_delim=""),
    latex(M, mat_str="bmatrix", mat_delim=""),
    latex(M),
    "\\begin{pmatrix} 1 & 0.5 \\\\ -3 & 4 \\end{pmatrix}",
    "\\begin{pmatrix}1&1/2\\\\-3&4\\\\ \\end{pmatrix}",
)
add(
    "vector",
    "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
    "(1,2)",
    "\\begin{bmatrix}1\\\\2\\end{bmatrix}",
    "\\langle 1, 2\\rangle",
)
add(
    "tuple",
    "(3, \\frac{\\pi}{2})",
    "\\left(3,\\frac{\\pi}{2}\\right)",
    "(3, \\pi/2)",
    "(r,\\theta) = (3, \\tfrac{\\pi}{2})",
    "( 3 , 0.5\\pi )",
)
add(
    "interval",
    "(-\\infty, 2]",
    "\\left(-\\infty,2\\right]",
    "x \\le 2",
    "x\\leq 2",
    "x \\in (-\\infty, 2]",
    "2 \\ge x",
    "(-∞, 2]",
    "x ≤ 2",
)
add(
    "interval",
    "[-2,7]",
    "x \\in [-2,7]",
    "-2 \\le x \\le 7",
    "\\left[-2, 7\\right]",
    "7 \\geq x \\geq -2",
)
add(
    "union",
    "(-\\infty, 2) \\cup (3, \\infty)",
    "(3,\\infty) \\cup (-\\infty,2)",
    "x \\in (-\\infty,2)\\cup(3,\\infty)",
    "(-∞,2)∪(3,∞)",
    "x<2 \\text{ or } x>3",
    "(-\\infty, 2) \\cup (3, +\\infty)",
)
add(
    "set",
    "\\{1\\pm\\sqrt{5},-2\\}",
    "1+\\sqrt5, 1-\\sqrt5, -2",
    "\\{-2, 1-\\sqrt{5}, 1+\\sqrt{5}\\}",
    "x = -2, x = 1 \\pm \\sqrt{5}",
)
add(
    "list",
    "-2,1",
    "1, -2",
    "x=-2, x=1",
    "x = 1 \\text{ or } x = -2",
    "\\{1,-2\\}",
    "1 and -2",
    "-2 or 1",
    "x=-2 \\quad \\text{and} \\quad x=1",
)
add(
    "pm",
    "3 \\pm 2\\sqrt{2}",
    "3+2\\sqrt{2}, 3-2\\sqrt{2}",
    "3-2\\sqrt{2} \\text{ and } 3+2\\sqrt{2}",
    "x = 3 \\pm \\sqrt{8}",
)
add(
    "eq",
    "y = 2x + 3",
    "y=2x+3",
    "2x - y + 3 = 0",
    "y - 3 = 2x",
    "y = 3 + 2x",
    "2y = 4x+6",
)
add(
    "eq",
    "5x - 7y + 11z + 4 = 0",
    "-5x+7y-11z-4=0",
    "5x-7y+11z=-4",
    "10x - 14y + 22z + 8 = 0",
)
add("eq", "x=5", "5", "x = 5", "5 = x", "-x = -5")
add("ineq", "x > 3", "3 < x", "x>3", "(3,\\infty)", "-x < -3")
add(
    "unit",
    "5 \\text{ cm}",
    "5",
    "5 cm",
    "5\\,\\text{cm}",
    "5\\text{ centimeters}",
    "5\\mathrm{cm}",
    "5~\\mathrm{cm}",
    "5cm",
)
add(
    "unit",
    "864 \\mbox{ inches}^2",
    "864",
    "864 \\text{ in}^2",
    "864\\text{ inches}^2",
    "864 \\text{ square inches}",
)
add(
    "unit",
    "15\\mbox{ cm}^2",
    "15 \\text{ cm}^2",
    "15",
    "15\\,\\mathrm{cm}^2",
    "15 cm^2",
)
add(
    "money",
    "\\$32,\\!348",
    "32348",
    "\\$32348",
    "32,348",
    "\\$32{,}348",
    "32348 \\text{ dollars}",
    "$32,348",
    "\\$32348.00",
)
add(
    "deg",
    "90^\\circ",
    "90",
    "90^{\\circ}",
    "90°",
    "90 \\text{ degrees}",
    "90 degrees",
    "90\\degree",
)
add(
    "deg",
    "\\frac{270}7\\text{ degrees}",
    "\\frac{270}{7}",
    "\\frac{270}{7}^\\circ",
    "38\\frac{4}{7}",
)
add(
    "pct",
    "12\\%",
    "12",
    "0.12",
    "12%",
    "12 \\text{ percent}",
    "\\frac{3}{25}",
    "12 percent",
)
add("thou", "58,500", "58500", "58{,}500", "58\\,500", "58500.0", "58 500")
add("thou", "11,\\! 111,\\! 111,\\! 100", "11111111100", "11,111,111,100")
add(
    "choice",
    "\\text{(C)}",
    "C",
    "(C)",
    "\\text{C}",
    "\\textbf{(C)}",
    "\\mathrm{(C)}",
    "\\textbf{C}",
    "\\text{(C) }",
)
add("text", "\\text{even}", "even", "Even", "\\textbf{even}", "\\text{ even }")
add("text", "\\text{ellipse}", "ellipse", "\\textit{ellipse}", "Ellipse")
add("base", "52_8", "52_{8}", "52_{\\text{8}}")
add("base", "4210_{5}", "4210_5")
add(
    "sci",
    "3\\times10^5",
    "300000",
    "3e5",
    "3 \\cdot 10^{5}",
    "300,000",
    "3×10⁵",
    "3*10^5",
)
add("small", ".0000672", "0.0000672", "6.72 \\times 10^{-5}", "6.72e-5")
add("rep", "\\frac13", "0.\\overline{3}", "0.333333333")
add(
    "root",
    "11\\sqrt2",
    "11\\sqrt{2}",
    "\\sqrt{242}",
    "11 \\cdot \\sqrt{2}",
    "11 * sqrt(2)",
    "11√2",
    "\\frac{22}{\\sqrt{2}}",
    "15.556349186",
)
add(
    "const",
    "\\frac{20000}{\\pi}",
    "20000/\\pi",
    "20000\\pi^{-1}",
    "6366.19772368",
)
add(
    "trig",
    "\\cot x",
    "\\frac{\\cos x}{\\sin x}",
    "\\frac{1}{\\tan x}",
    "cot(x)",
    "\\cot(x)",
)
add(
    "prod",
    "2 \\sin b \\cos a",
    "2\\cos a\\sin b",
    "2\\cos(a)\\sin(b)",
    "\\sin(a+b)-\\sin(a-b)",
)
add("ratio", "3:4", "3 : 4")
add(
    "frac",
    "\\frac{11+9a}{20}",
    "\\frac{9a+11}{20}",
    "\\frac{11}{20}+\\frac{9a}{20}",
    "0.55+0.45a",
    "(11+9a)/20",
)
add("cplx", "6+9i", "9i+6", "6 + 9i", "3(2+3i)")
add("fact", "\\binom{10}{3}", "120", "\\dbinom{10}{3}", "\\frac{10!}{3!7!}")
add(
    "log",
    "\\log_2 3",
    "\\frac{\\ln 3}{\\ln 2}",
    "\\frac{\\log 3}{\\log 2}",
    "log_2(3)",
    "\\log_{2}{3}",
)
seen = set()
for pair in out:
    key = (pair["reference"], pair["answer"])
    # Only SymPy writes the imaginary unit as I.
    if key not in seen and "*I" not in pair["answer"]:
        seen.add(key)
        print(json.dumps(pair, ensure_ascii=False, sort_keys=True))
