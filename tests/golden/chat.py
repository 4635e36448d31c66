"""Writes chat/golden.json: what transformers makes of the chat templates in chat/templates, and chat/tiny's token ids.

    python3 chat.py

Needs transformers 5.24.0 and jinja2 3.1.6. The templates are written after the public form of their families. The date is held at 26 July 2024.
"""

import datetime
import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent / "chat"


class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 13, 5, 9)


chat_template_utils.datetime = Fixed


def chat(*turns):
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool", "k": "skip"}
    return [{"role": roles[role], "content": content} for role, content in turns]


CHATS = {
    "one": chat(("u", "Who are you?")),
    "system": chat(("s", "Be brief."), ("u", "Who are you?")),
    "long": chat(("s", "Be brief."), ("u", "Hi"), ("a", "Hello."), ("u", " Where is\nthe key? ")),
    "answered": chat(("u", "Hi"), ("a", "<think>\nA greeting.\n</think>\n\nHello."), ("u", "Bye"), ("a", "Bye.")),
    "twice": chat(("u", "Hi"), ("u", "Hi again")),
    "tool": chat(("u", "Sum?"), ("a", "Wait."), ("t", "3"), ("a", "It is 3.")),
    "other": chat(("u", "Grüße 👋\t\"x\" \\ <b>"), ("k", "hidden"), ("a", "  trimmed ")),
}
WORDS = {
    "smollm2": ("<|im_start|>", "<|im_end|>"),
    "qwen2": (None, "<|im_end|>"),
    "qwen3": (None, "<|im_end|>"),
    "llama2": ("<s>", "</s>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
    "mistral": ("<s>", "</s>"),
    "gemma2": ("<bos>", "<eos>"),
    "phi3": ("<s>", "<|endoftext|>"),
    "python": (None, None),
}

cases = []
for path in sorted((HERE / "templates").glob("*.jinja")):
    source = path.read_text()
    bos, eos = WORDS[path.stem]
    words = {key: text for key, text in [("bos_token", bos), ("eos_token", eos)] if text}
    for name, messages in CHATS.items():
        for answer in (False, True):
            case = {"template": path.stem, "chat": name, "answer": answer, "text": None, "error": None}
            try:
                (text,), _ = chat_template_utils.render_jinja_template([messages], chat_template=source, add_generation_prompt=answer, **words)
                case["text"] = text
            except jinja2.exceptions.TemplateError as error:
                case["error"] = str(error)
            cases.append(case)

tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(HERE / "tiny")
ids = [
    {"chat": name, "answer": answer, "ids": tokenizer.apply_chat_template(CHATS[name], add_generation_prompt=answer, tokenize=True, return_dict=False)}
    for name in CHATS
    for answer in (False, True)
]
golden = {"words": {name: list(words) for name, words in WORDS.items()}, "chats": CHATS, "cases": cases, "ids": ids}
(HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
print(len(cases), "texts,", sum(case["error"] is not None for case in cases), "refusals,", len(ids), "lists of ids")
