"""The gallery: a page of models with their exemplars and samples, alone or before a server."""

import html
import math
import pathlib
import shutil
import string

from genconv_tf import files
from genconv_tf.kinds import KINDS
from genconv_tf.metadata import about, fresh_steps

PAGE = pathlib.Path(__file__).parent / "page"
FIGURES = 5  # of a card
SHOWN = ("exemplar.png", "samples.png", "sample.wav", "sample.mp4")


def media(folder):
    """`{name: path}` of what a preset's folder has to show."""
    return {name: pathlib.Path(folder) / name for name in SHOWN
            if (pathlib.Path(folder) / name).is_file()}  # fmt: skip


def render(models, place, live):
    """The page, HTML.

    Args:
        models: `{name: (metadata, names of what it has to show)}`.
        place: format of the address of one of these, of `name` and `file`.
        live: whether a server stands behind it that samples.
    """
    # Images first: what a visitor sees at once.
    models = dict(
        sorted(models.items(), key=lambda item: (item[1][0].get("rank", 4) != 2, item[0]))
    )
    cards = "\n".join(_card(name, *about, place) for name, about in models.items())
    sampled = {name: meta for name, (meta, _) in models.items() if "rank" in meta}
    options = "\n".join(_option(name, meta) for name, meta in sampled.items())
    page = string.Template((PAGE / "index.html").read_text())
    sampler = string.Template((PAGE / "sampler.html").read_text()).substitute(options=options)
    return page.substitute(cards=cards, sampler=sampler if live else "", count=len(models))


def write(folder, models):
    """Write the gallery as a static site.

    Args:
        folder: a new or empty folder.
        models: `{name: folder}`, of presets or SavedModels.
    """
    with files.whole_folder(folder) as partial:
        shown = {}
        for name, place in models.items():
            found = media(place)
            shown[name] = about(place), list(found)
            (partial / "models" / name).mkdir(parents=True)
            for file, path in found.items():
                shutil.copyfile(path, partial / "models" / name / file)
        (partial / "page").mkdir()
        for path in PAGE.glob("*.css"):
            shutil.copyfile(path, partial / "page" / path.name)
        page = render(shown, "models/{name}/{file}", live=False)
        files.write_text(partial / "index.html", page)


def _option(name, meta):
    """One model of the sampler, with what its form needs to know."""
    facts = {
        "rank": meta["rank"],
        "size": "x".join(map(str, meta["size"])),
        "rate": meta["preprocessing"].get("rate") or 0,
        "steps": " ".join(map(str, fresh_steps(meta))),
    }
    data = " ".join(f'data-{key}="{html.escape(str(value))}"' for key, value in facts.items())
    return f'<option value="{html.escape(name)}" {data}>{html.escape(name)}</option>'


def _card(name, meta, shown, place):
    """One model: what it learned from, what it makes, and what is known of it."""
    title, kind = html.escape(name), KINDS.get(meta.get("rank"), "model")

    def at(file):
        return html.escape(place.format(name=name, file=file))

    parts = [f'<article id="{title}"><h2>{title}</h2>']
    if meta.get("summary"):
        parts.append(f"<p>{html.escape(str(meta['summary']))}</p>")
    for file, words in (("exemplar.png", "What it learned from"), ("samples.png", "Fresh samples")):
        if file in shown:
            image = f'<img src="{at(file)}" loading="lazy" alt="{words}: {title}">'
            caption = f"<figcaption>{words}</figcaption>"
            parts.append(f'<figure><a href="{at(file)}">{image}</a>{caption}</figure>')
    if "sample.wav" in shown:
        named = f'aria-label="A fresh sample: {title}" src="{at("sample.wav")}"'
        parts.append(f'<audio controls preload="none" {named}></audio>')
    if "sample.mp4" in shown:
        named = f'aria-label="A fresh sample: {title}" src="{at("sample.mp4")}"'
        parts.append(f'<video controls loop muted preload="none" {named}></video>')
    facts = [("kind", kind)] + [(key, meta[key]) for key in ("source", "licence", "recipe")
                                if meta.get(key)]  # fmt: skip
    for key, figure in list(meta.get("figures", {}).items())[:FIGURES]:
        facts.append((key, f"{figure.get('ratio', figure.get('value', math.nan)):.2f}"))
    rows = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>"
                   for key, value in facts)  # fmt: skip
    return "".join([*parts, f"<dl>{rows}</dl></article>"])
