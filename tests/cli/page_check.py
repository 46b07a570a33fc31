"""A page stands alone and is well formed: tags are closed in order, attributes are quoted, nothing
is fetched, no script runs, images are PNGs, and it weighs less than 3 MB.
usage: page_check.py page.html [words that its text holds...]"""
import base64
import html.parser
import struct
import sys

VOID = {"meta", "link", "img", "br", "path"}
problems = []


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.images = [], [], 0

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href") and not (value or "").startswith("data:"):
                problems.append(f"{tag} fetches {value}")
            if name.startswith("on"):
                problems.append(f"{tag} runs {name}")
        if tag == "script":
            problems.append("a script")
        if tag == "img":
            self.image(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            problems.append(f"</{tag}> at {self.getpos()} closes no open tag")

    def handle_data(self, data):
        self.text.append(data)

    def image(self, attributes):
        self.images += 1
        png = base64.b64decode(attributes["src"].split(",", 1)[1], validate=True)
        width, height = struct.unpack(">II", png[16:24])
        if png[:8] != b"\x89PNG\r\n\x1a\n" or not png.endswith(b"IEND\xaeB`\x82"):
            problems.append("an image that is no PNG")
        if (str(width), str(height)) != (attributes["width"], attributes["height"]):
            problems.append(f"an image of {width} x {height} that is said to be otherwise")
        if not attributes.get("alt"):
            problems.append("an image without words")


raw = open(sys.argv[1], "rb").read()
page = Page()
page.feed(raw.decode("utf-8"))
page.close()
text = "".join(page.text)
if page.open:
    problems.append(f"{page.open} stay open")
if len(raw) > 3e6:
    problems.append(f"{len(raw)} bytes")
for words in sys.argv[2:]:
    if words not in text:
        problems.append(f"no '{words}'")
print(f"{len(raw)} bytes, {page.images} images", *problems, sep="\n")
sys.exit(bool(problems))
