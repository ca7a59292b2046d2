#!/usr/bin/env python3
"""Writes jinja.json and chat.json beside this file; see README.md.

jinja.json: small templates and what transformers renders of them, or that it
fails. chat.json: random conversations, rendered by the templates of chat/.
It is deterministic for given versions, which each file names; it needs neither
torch nor a network.
"""

import datetime
import json
import pathlib
import random

import jinja2
import transformers
import transformers.utils.chat_template_utils as utils

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = {"transformers": transformers.__version__,
            "jinja2": jinja2.__version__}
TODAY = "2026-11-30"


class FixedClock(datetime.datetime):

    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(TODAY)


utils.datetime = FixedClock

# What the small templates see.
VARIABLES = {
    "n": 7, "m": -3, "x": 2.5, "t": True, "f": False, "none": None,
    "s": "Hello, World", "ws": " \t a b \n", "e": "", "u": "Grüße ÀÉ straße 日本🙂",
    "q": "it's \"q\"\n\t\\\x07\u200b\u00a0é", "html": "<a href='x'>&\"</a>",
    "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "nested": [[1, 2], [3, 4]],
    "d": {"b": 1, "a": [1, {"k": None}], "Z": "z", "items": 5},
    "people": [{"name": "Ann", "age": 3, "o": {"p": 1}},
               {"name": "bob", "age": 2, "o": {"p": 2}},
               {"name": "Cy", "age": 3}],
    "numbers": [0.1, 1.0, 1e16, 1e15, 1.5e-5, 0.0001, 123456789.125, -0.0,
                1e22, 5e-324, 100000, 2**62],
    "lines": "one\n  two\r\nthree\n\nfour",
    "messages": [{"role": "system", "content": "S"},
                 {"role": "user", "content": "U"},
                 {"role": "assistant", "content": "A"}],
}

# Expressions, each rendered as {{ it }}.
EXPRESSIONS = """
1 + 2 * 3 - 4 // 3
7 // -2, -7 // 2, 7 % -3, -7 % 3, 7.5 // 2, -7.5 % 2, 2 ** 10, 2 ** -1
-2 ** 2, (-2) ** 2, 2 ** 3 ** 2
1 / 3, 4 / 2, 1e3, 1.5e-7, 10 / 4 * 2, 1_000
0.1 + 0.2, 1e16, 1e-5, 123456789012345678
n + t, n * x, n - x, t + t, -t, +t, -x
'a' 'b' "c"
'a' + 'b' * 3, 3 * 'ab', 'ab' * -1, [1] * 2 + [t], (1,) + (2, 3)
'a' ~ 1 ~ none ~ t ~ x ~ [1, 'a'] ~ undefined_thing
'\\n\\t\\\\ \\' \\" \\x41 \\u00e9 \\U0001F642 \\101 \\q \\a'
[1, 'two', 3.0, none, true, [], {}, (1,), (), {'k': 'v', 1: 2}]
q, [q], html, [html]
numbers
d, d.a, d['b'], d['items'], d.get('b'), d.get('zz'), d.get('zz', 9)
d.zz, d['zz'], l[0], l[-1], l[9], s[0], s[-1], s[99], u[-1], l['x'], n.x
people[0].name, people.0.age, people[-1]['o'] is defined
l[1:], l[:-1], l[::-1], l[::2], l[-2:], l[5:], l[1:1], l[2:0:-1], l[::-2]
s[1:4], s[::-1], s[-5:], u[2:5], s[:3] + s[3:], (1, 2, 3)[1:], s[10:2]
range(5)[1:3] | list, range(3) | list, range(2, 9, 3) | list, range(3, 0, -1) | list
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, t == 1, 'a' < 'b', [1, 2] < [1, 3], 'a' != 1, none == none
1 in l, 9 not in l, 'b' in d, 'ell' in s, 'x' in e, 1 in undefined_thing, 'a' in ('a', 'b')
t and n, f or n, e or none, not e, not l, none and n, e or f, n and x or s
'yes' if t else 'no', 'yes' if f else 'no', 'yes' if f, (1 if t else 2) + 1
undefined_thing, undefined_thing is defined, undefined_thing | default('d'), e | default('d'), e | default('d', true), none | default('d')
undefined_thing == undefined_thing, undefined_thing | length, undefined_thing | list, undefined_thing or 'x'
s | upper, s | lower, u | upper, u | lower, 'hELLO wORLD' | capitalize, 'foo bar-baz (qux) [a] x_y' | title
s | length, u | length, l | length, d | length, people | count, e | length
ws | trim, [ws | trim], 'xxaxx' | trim('x'), 12 | trim
'a-b-a' | replace('a', 'X'), 'a-b-a' | replace('a', 'X', 1), 'abc' | replace('', '.'), 1210 | replace(1, 'x')
words | join(', '), l | join, people | join('/', attribute='name'), d | join('-'), 'abc' | join('.')
l | sort, l | sort(reverse=true), words | sort, words | sort(case_sensitive=true), people | sort(attribute='age') | map(attribute='name') | list
people | sort(attribute='age', reverse=true) | map(attribute='name') | list, people | map(attribute='o.p', default='-') | list
words | map('upper') | list, l | map('string') | join('+'), words | map('replace', 'a', 'o') | list
people | selectattr('o') | map(attribute='name') | list, people | rejectattr('o') | list
people | selectattr('age', 'equalto', 3) | map(attribute='name') | join(','), people | selectattr('name', 'in', ['Cy']) | list | length
people | selectattr('age', '>', 2) | list | length, people | selectattr('o', 'defined') | list | length, people | rejectattr('age', 'eq', 3) | map(attribute='name') | list
l | select('odd') | list, l | reject('even') | list, [0, 1, '', 'a'] | select | list, l | select('greaterthan', 1) | list
l | first, l | last, [] | first, [] | last, s | first, s | last, words | map('upper') | first
l | min, l | max, words | min, words | max, people | max(attribute='age'), [] | min
l | sum, people | sum(attribute='age'), [0.5, 1] | sum, l | sum(start=10)
l | reverse | list, s | reverse, [1, 'a', 'A', 'a', 1.0, 2] | unique | list, words | unique(case_sensitive=true) | list
d | items | list, d | dictsort, d | dictsort(true), d | dictsort(false, 'key', true), {'x': 2, 'y': 1} | dictsort(by='value')
'42' | int, ' 42 ' | int, '4.9' | int, 'x' | int, 'x' | int(9), 3.99 | int, -3.99 | int, t | int, none | int
'1.5' | float, 'x' | float, 'x' | float(2.0), 3 | float, '1e3' | float, t | float
42.55 | round, 42.55 | round(1), 2.5 | round, 3.5 | round, 42.45 | round(1, 'floor'), 42.41 | round(1, 'ceil'), 7 | round, 2.675 | round(2)
-3 | abs, -3.5 | abs, 3 | string, none | string, l | string, s | list, 'ab' | list, d | list
d | tojson, l | tojson, u | tojson, q | tojson, none | tojson, t | tojson, numbers | tojson, html | tojson
u | tojson(ensure_ascii=true), d | tojson(indent=2), d | tojson(indent=4, sort_keys=true), [] | tojson(indent=2), {'a': {}, 'b': []} | tojson(indent=1)
d | tojson(separators=(',', ':')), d | tojson(indent='>'), (1, 2) | tojson, {1: 2, none: 3, true: 4, 1.5: 5} | tojson
lines | indent, lines | indent(2, true), lines | indent(width=2, blank=true), lines | indent('> '), 'a\\n' | indent(2), e | indent(3, true)
html | e, html | escape, html | safe, (html | e) + '<', ('<' | safe) + '<', '<' + ('<' | safe), ('<' | safe) ~ '<', [html | safe]
'%s-%d-%%' | format('a', 3), '%s' % s, '%s and %s' % (1, l), '%.2f|%r' % (2.345, 'x'), '%d' % 3.0 | int
s is string, n is string, n is number, t is number, x is number, n is integer, t is integer, x is float, t is boolean, n is boolean
none is none, e is none, d is mapping, l is mapping, l is sequence, d is sequence, s is sequence, n is sequence, l is iterable, n is iterable, s is iterable
(l | map('string')) is iterable, (l | map('string')) is sequence, d.keys() is sequence, range(3) is sequence, undefined_thing is sequence
n is odd, n is even, 6 is divisibleby 3, 6 is divisibleby(4), n is eq 7, n is equalto(7), n is ne 7, n is lt 9, n is ge 7, n is gt 7
2 is in l, 'a' is in 'abc', t is true, f is false, 1 is true, none is not none, s is defined, s is undefined, 'ABC' is upper, 'abc' is lower, 'aB' is lower
none is sameas none, t is sameas true, raise_exception is callable, s is callable, n is not string and n is number
s.upper(), s.lower(), 'hello wORLD it\\'s'.title(), 'hELLO'.capitalize(), [ws.strip()], [ws.lstrip()], [ws.rstrip()], 'xyaxy'.strip('xy'), 'xxa'.lstrip('x'), 'axx'.rstrip('x')
'a,b,,c'.split(','), ' a  b '.split(), 'a,b,c'.split(',', 1), 'a b c'.split(none, 1), 'a,b,c'.rsplit(',', 1), ' a b  c '.rsplit(none, 1), ''.split(), ''.split(','), 'a</think>b'.split('</think>')[-1]
lines.splitlines(), lines.splitlines(true), 'a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'abc'.partition('='), 'abc'.rpartition('=')
s.startswith('He'), s.endswith('ld'), s.startswith(('x', 'H')), s.endswith('x'), s.find('o'), s.rfind('o'), s.find('zz'), s.index('W'), s.count('l'), u.find('日')
'a-b-a'.replace('a', 'X'), 'a-b-a'.replace('a', 'X', 1), 'unhappy'.removeprefix('un'), 'test.py'.removesuffix('.py'), '-'.join(['a', 'b']), '{} {1} {x}'.replace('{', '<')
'{} and {}'.format(1, 'a'), '{1}{0}'.format('a', 'b'), '{x}'.format(x=3), '{{}}'.format()
'12'.isdigit(), 'a1'.isdigit(), 'ab'.isalpha(), 'a1'.isalnum(), 'AB'.isupper(), 'ab'.islower(), ' \\n'.isspace(), ''.isspace(), 'Ab'.isupper()
d.keys() | list, d.values() | list, d.items() | list, d.keys() | length, d.copy() == d, l.index(2), l.count(1), (1, 1).count(1), l.append is defined, d.update is defined
dict(a=1, b='x'), dict({'a': 1}, b=2), dict([('k', 'v')]), {'a': 1}.a, {'a': 1} == {'a': 1.0}, {'a': 1, 'b': 2} == {'b': 2, 'a': 1}, [1] == (1,)
namespace(a=1).a, namespace({'z': 2}).z, namespace().zz, namespace(a=1).zz is defined
strftime_now('%d %b %Y'), strftime_now('%Y-%m-%d %A %B %j'), strftime_now('%y/%-d 100%%')
messages[0]['role'], messages[-1].content, messages | map(attribute='role') | join(','), (messages | selectattr('role', 'ne', 'system') | list)[0].content
messages | length - 1, messages[1:] | length, messages[::-1][0].role, messages | selectattr('role', 'equalto', 'user') | list | length > 0
not s is string, not (1 in l), not 1 in l, 1 not in l and t, -1 | abs, (-1) | abs, 2 * 3 | string, 'a' ~ 'b' | upper
(1), (1,), (1, 2), ('a'), [1, 2,], {'a': 1,}, [[], ()]
people | map(attribute='name') | map('upper') | join, people | map(attribute='o') | select('defined') | map(attribute='p') | list
'a' if 1 in l else 'b' if t else 'c', [x if x else 0], {'k': 'v' if t else 'w'}.k
d is mapping and d.a is iterable and d.a is not string and d.a is not mapping
e.x is defined, none.x is defined, (none).x, n.x is undefined, l.zz, s.zz is defined
'ß'.upper(), 'ß' | capitalize, 'ǆ'.title(), 'İ' | length, 'Ω'.lower()
none | map('upper') | list, 0 | selectattr('x') | list, s.upper.x is defined, undefined_thing | select | list, range.x is undefined
l | attr('count') is defined, d | attr('b') is defined, 'x' is eq('x'), true is boolean
"""

# Expressions that fail in transformers and must fail here.
FAILURES = """
undefined_thing.x
undefined_thing.x is defined
undefined_thing['x']
undefined_thing + 1
1 + undefined_thing
-undefined_thing
undefined_thing < 1
undefined_thing()
undefined_thing | tojson
undefined_thing | int
d.zz.yy
none + 'a'
'a' + 1
1 + 'a'
[1] + (1,)
[1] + 'a'
1 < 'a'
none < 1
1 in 5
1 in 'abc'
1 / 0
1 // 0
1 % 0
1.0 / 0
5 | length
none | length
(l | map('string')) | length
l | map('string') | last
5 | list
s.zz()
l.append(1)
d.update({})
d.pop('b')
s.split('')
s.index('zz')
l.index(99)
n()
s()
raise_exception('no')
range(0, 3, 0)
range(1000000)
dict([1])
d.items() | tojson
range(3) | tojson
l[0:1:0]
l['a':]
[3, 'a'] | sort
5 | sort
'%d' % 'a'
'%s %s' % 'a'
'%s' % (1, 2)
'{}'.format()
{[1]: 2}
s | trim(1)
l | join(',', 1, 2)
s | upper(1)
s | nosuchfilter
s is nosuchtest
5 | first
n.x.y
'a'.join([1])
s.startswith(1)
l | sum(start='a')
people | sum(attribute='name')
'x' | round
none | abs
people | map(attribute='o.p') | join | int + people.zz.q
""".strip().splitlines()

# Whole templates.
TEMPLATES = [
    # White space, as trim_blocks and lstrip_blocks treat it.
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc\n\n",
    "a\n  {%+ if t %}\n  b\n  {%+ endif +%}\nc",
    "a {% if t %} b {% endif %} c",
    "  {{ n }}  \n  {{- n -}}  \n  {{ n }}\n",
    "{{ n }}\n{{ n }}\n\n", "{{+ n }}", "{{ n -}}\n\n  x", "x\n\n{{- n }}",
    "  {# c #}\n  x {# c #} y\n{#- c -#}\n  z", "a\n{# c\nd #}\nb", "{#-#}x{# - #}",
    "a\r\nb\rc\n{% if t %}\r\nd\r\n{% endif %}\r\n",
    "\t {% set a = 1 %}\n\t {{ a }}", "x{% set a = 1 %}\n\ny", "{% set a = 1 %}  \ny",
    "\n\n{% for i in l %}\n{{ i }}\n{% endfor %}\n\n",
    "{% for i in l -%}\n  {{ i }}\n{%- endfor %}", "{% raw %}{{ x }} {% y %}{% endraw %}",
    "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\nb", "a {%- raw -%} \n {{ x }} \n {%- endraw -%} b",
    "{{ '}}' }} {{ '%}' }} {% if '%}' %}y{% endif %} {{ {'a': {}} }} {{ {'a': {'b': 1}}.a.b }}",
    "{{ 'a\nb' }}", "{{\n n\n}}", "{ { n } } {n} }} %} #}", "{{ n }}}", "{",
    "a  \n {%- set x = 1 -%} \n b", "x\u00a0\n{%- if t %}y{% endif %}", "",
    # Statements.
    "{% if f %}1{% elif n == 7 %}2{% elif t %}3{% else %}4{% endif %}",
    "{% if f %}1{% elif f %}2{% else %}4{% endif %}{% if undefined_thing %}5{% endif %}",
    "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
    "{% for i in [] %}x{% else %}none{% endfor %}{% for i in l %}x{% else %}none{% endfor %}{% for i in undefined_thing %}x{% else %}u{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }} {% else %}none{% endfor %}{% for i in l if i > 5 %}{{ i }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for a, b in nested %}{{ a }}{{ b }}{% endfor %}",
    "{% for (a, b) in nested %}{{ a + b }}{% endfor %}{% for c in s %}{{ c }}.{% endfor %}{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.index }}{{ loop.depth0 }}{% if j == 1 %}{% break %}{% endif %}{% endfor %}|{{ loop.index }}{% endfor %}",
    "{% for i in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{% endfor %}",
    "{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in l %}{{ y is defined }}{% set y = i %}{{ y }}{% endfor %}{{ y is defined }}{{ i is defined }}{{ loop is defined }}",
    "{% set ns = namespace(x=0, y=[]) %}{% for i in l %}{% set ns.x = ns.x + i %}{% set ns.y = ns.y + [i] %}{% endfor %}{{ ns.x }}{{ ns.y }}",
    "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns.self.self is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set (d1, e1) = [3, 4] %}{{ d1 }}{{ e1 }}",
    "{% if t %}{% set inner = 1 %}{% endif %}{{ inner }}{% set s = s ~ '!' %}{{ s }}",
    "{% set block %}\n  {{ n }} text\n{% endset %}[{{ block }}]{% set up | upper | trim %} a{{ s }} {% endset %}[{{ up }}]",
    "{% set block %}{% set hidden = 1 %}{% endset %}{{ hidden is defined }}",
    "{% filter upper %}a{{ s }}{% endfilter %}{% filter trim | replace('a', 'b') %} aa {% endfilter %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% set c = 2 %}{% endwith %}{{ a is defined }}{{ c is defined }}{% with %}{% set z = 1 %}{% endwith %}{{ z is defined }}",
    "{% macro m(a, b='x', c=n) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}{{ m() }}{{ m(1, 2, 3) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1) | length }}{{ m('<') ~ '>' }}",
    "{% macro down(i) %}{{ i }}{% if i > 0 %}{{ down(i - 1) }}{% endif %}{% endmacro %}{{ down(5) }}",
    "{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 5 %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}{{ x }}",
    "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro show(v) %}{% if v is mapping %}{ {% for k, w in v | dictsort %}{{ k }}: {{ show(w) }}{% if not loop.last %}, {% endif %}{% endfor %} }{% elif v is iterable and v is not string %}[{% for w in v %}{{ show(w) }}{{ ' ' if not loop.last }}{% endfor %}]{% else %}{{ v | tojson }}{% endif %}{% endmacro %}{{ show(d) }}",
    "{% generation %}a{{ n }}{% set hidden = 1 %}{% endgeneration %}{{ hidden is defined }}{%- generation -%} b {%- endgeneration -%}",
    "{% for m in messages %}{% generation %}{{ loop.index }}{{ m.content }}{% endgeneration %}{% endfor %}",
    "{% set it = l | map('string') %}{% for i in it %}{{ i }}{% endfor %}|{% for i in it %}{{ i }}{% endfor %}|{{ 'y' if it }}",
    "{% set it = people | selectattr('age', 'eq', 99) %}{{ 'yes' if it else 'no' }}{{ 'yes' if it | list else 'no' }}",
    "{% if messages[0]['role'] == 'system' %}{% set sys = messages[0]['content'] %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}{{ m.role }}{% endfor %}{{ sys }}",
    "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}",
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ add_generation_prompt }}",
    "{{ n }}, {{ n, m }} {{ [n, m] | join }} {{ (n, m) | join }}", "{% set x = 'a' %}{{ x }}{{ 'x' if x == 'a' }}{{ x * n }}",
    "{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }} {% else %}-{% endfor %}{% endfor %}",
    "{% set content = 'r</think>\\n\\nans' %}{% set think = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{{ think }}|{{ content.split('</think>')[-1].lstrip('\\n') }}",
    "{% set ns = namespace(multi=true, last=messages|length - 1) %}{% for m in messages[::-1] %}{% set index = (messages|length - 1) - loop.index0 %}{% if ns.multi and m.role == 'user' and m.content is string and not (m.content.startswith('<t>') and m.content.endswith('</t>')) %}{% set ns.multi = false %}{% set ns.last = index %}{% endif %}{% endfor %}{{ ns.last }}",
    # Failures.
    "{% if %}{% endif %}", "{% endif %}", "{% for i in l %}", "{{ n", "{% if t", "{# c", "{% raw %}x", "{{ }}", "{{ 'a }}", "{{ n n }}", "{{ (n }}", "{{ n) }}", "{{ [n }}", "{{ n. }}", "{{ | upper }}", "{{ n | }}", "{{ 1 is }}",
    "{% set %}", "{% set 1 = 2 %}", "{% set a %}", "{% macro %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% for 1 in l %}{% endfor %}", "{% for i l %}{% endfor %}", "{% nonsense %}", "{% break %}", "{% if t %}{% else %}{% else %}{% endif %}",
    "{% set ns.x = 1 %}", "{% set l.x = 1 %}", "{% for a, b in l %}{% endfor %}", "{% for i in n %}{% endfor %}", "{% set a, b = 1, 2, 3 %}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{{ loop.index }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ f(a=1, 2) }}", "{{ 1 if }}", "{{ 'a' ! }}", "{{ $ }}", "{{ ] }}",
]


def render(template, messages=None, **variables):
    """Returns the text, or None if transformers fails."""
    try:
        texts, _ = utils.render_jinja_template(
            [messages], chat_template=template, **variables)
        return texts[0]
    except Exception:  # Python's own errors, too.
        return None


def snippet(template):
    variables = dict(VARIABLES)
    return {"template": template,
            "text": render(template, variables.pop("messages"), **variables)}


def snippets():
    lines = EXPRESSIONS.strip("\n").replace("\\\\", "\\").splitlines()
    rows = [snippet("{{ %s }}" % line) for line in lines]
    # Each part alone, too, as a list prints its parts by repr.
    for line in lines:
        parts, depth, quote, begin = [], 0, "", 0
        for i, c in enumerate(line + ","):
            if quote:
                if c == quote and line[i - 1] != "\\":
                    quote = ""
            elif c in "'\"":
                quote = c
            elif c in "([{":
                depth += 1
            elif c in ")]}":
                depth -= 1
            elif c == "," and depth == 0:
                parts.append(line[begin:i].strip())
                begin = i + 1
        if len(parts) > 1:
            rows += [snippet("{{ %s }}" % part) for part in parts if part]
    for row in rows:
        if row["text"] is None and row["template"].startswith("{{ "):
            print("fails:", row["template"])
    failures = [snippet("{{ %s }}" % line) for line in FAILURES]
    for row in failures:
        if row["text"] is not None:
            print("does not fail:", row["template"], row["text"])
    return rows + failures + [snippet(t) for t in TEMPLATES]


WORDS = ["what", "is", "2+2?", "naïve", "日本語", "🙂", "it's", '"q"', "<b>",
         "a&b", "\\n", "{{x}}", "{%y%}", "\t", "end.", "\u00a0", "\u2028", "ﬁ"]


def words(r):
    if r.random() < .08:
        return ""
    text = " ".join(r.choice(WORDS) for _ in range(r.randint(1, 6)))
    if r.random() < .3:
        text = r.choice(["\n", " ", "\t", "\n\n"]) + text
    if r.random() < .3:
        text += r.choice(["\n", " ", "\t", "\n\n", "  \n"])
    return text


def tool(r, number):
    properties = {
        "arg%d" % i: {"type": r.choice(["string", "integer", "array"]),
                      "description": words(r),
                      **({"enum": ["a", "b"]} if r.random() < .3 else {}),
                      **({"default": r.choice([1, "x", None, True, 0.5])}
                         if r.random() < .3 else {})}
        for i in range(r.randint(0, 3))}
    return {"type": "function", "function": {
        "name": "tool_%d" % number, "description": words(r),
        "parameters": {"type": "object", "properties": properties,
                       "required": list(properties)[:1]}}}


def conversation(r):
    messages = []
    if r.random() < .5:
        messages.append({"role": "system", "content": words(r)})
    tools = [tool(r, i) for i in range(r.randint(1, 2))] if r.random() < .4 else None
    for turn in range(r.randint(1, 3)):
        messages.append({"role": "user", "content": words(r)})
        if turn == 2 and r.random() < .7:
            break
        answer = {"role": "assistant", "content": words(r)}
        if r.random() < .4:
            answer["content"] = "<think>\n%s\n</think>\n\n%s" % (words(r), words(r))
        if r.random() < .2:
            answer["reasoning_content"] = words(r)
        if tools and r.random() < .5:
            answer["tool_calls"] = [{"type": "function", "function": {
                "name": "tool_0", "arguments": {
                    "x": r.choice([1, -2.5, "é\n", None, [1, {"k": True}]])}}}]
            messages.append(answer)
            messages.append({"role": "tool", "name": "tool_0", "content": words(r)})
            continue
        messages.append(answer)
    if r.random() < .1:
        r.shuffle(messages)
    variables = {"tools": tools, "documents": None,
                 "add_generation_prompt": r.random() < .6,
                 "bos_token": "<s>", "eos_token": "</s>"}
    if r.random() < .4:
        variables["enable_thinking"] = r.random() < .5
    return {"messages": messages, **variables}


def chats():
    conversations = [conversation(random.Random(i)) for i in range(40)]
    templates = {}
    for path in sorted((HERE / "chat").glob("*.jinja")):
        source = path.read_text()
        texts = []
        for variables in conversations:
            variables = json.loads(json.dumps(variables))
            messages = utils._alias_reasoning_fields(variables.pop("messages"))
            texts.append(render(source, messages, **variables))
        templates[path.name] = texts
        print(path.name, sum(t is not None for t in texts), "rendered")
    for variables in conversations:
        # transformers gives a template the reasoning under several names.
        variables["messages"] = utils._alias_reasoning_fields(
            variables["messages"])
    return {"conversations": conversations, "templates": templates}


def main():
    for name, content in (
            ("jinja.json", {"variables": VARIABLES, "snippets": snippets()}),
            ("chat.json", chats())):
        text = json.dumps({"versions": VERSIONS, "today": TODAY, **content},
                          ensure_ascii=True, indent=0)
        (HERE / name).write_text(text + "\n")


if __name__ == "__main__":
    main()
