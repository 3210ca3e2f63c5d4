#!/usr/bin/env python3
"""Writes expressions.json: what ansible-core gives for each expression of expressions.txt.

Needed only to make the file anew: pip install ansible netaddr passlib, then ./expressions.py. The variables are those of
variables.json. A line of expressions.txt is a template as it stands in a playbook; `\\n` in it is a newline.
"""
import json
import os
import sys
import warnings

os.environ["TZ"] = "UTC"
warnings.simplefilter("ignore")

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.display import Display

here = os.path.dirname(os.path.abspath(__file__))
init_plugin_loader([])
Display().deprecated = lambda *a, **k: None
Display().warning = lambda *a, **k: None


def plain(value):
    """The value in JSON, with what JSON lacks as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def main():
    variables = json.load(open(os.path.join(here, "variables.json")))
    templar = Templar(loader=DataLoader(), variables=variables)
    results = []
    for line in open(os.path.join(here, "expressions.txt")):
        source = line.rstrip("\n")
        if not source or source.startswith("# "):
            continue
        source = source.replace("\\n", "\n") if "\\n" in source and "{%" in source else source
        try:
            result = {"source": source, "value": plain(templar.template(trust_as_template(source)))}
        except Exception as error:
            result = {"source": source, "error": str(error).split("\n")[0][:120]}
        results.append(result)
    with open(os.path.join(here, "expressions.json"), "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False, allow_nan=False) for r in results) + "\n]\n")
    print(len(results), sum("error" in r for r in results), file=sys.stderr)


main()
