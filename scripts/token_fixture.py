"""Writes tests/it/fixtures/tokens.json.gz: strings and the ids that open_clip's tokenizer gives them.

Run through `scripts/parity --fixtures`. The strings are drawn from a fixed seed.
"""

import gzip
import html.entities
import json
import random
import sys
import unicodedata
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

SEED = 20210716

PLAIN = """a watercolor painting of an underwater submarine
A drawing of a cat, in the style of Matisse
the eiffel tower at night
an astronaut riding a horse on mars
it's, we've, I'm, they'll, he'd, you're, cat's
IT'S WE'VE I'M THEY'LL HE'D YOU'RE
don't can't won't o'clock rock'n'roll
3 cats and 12 dogs in 1984
3.14159 2,718 1e-9 0xdeadbeef 100% $5.99
a  b\tc\nd\r\ne\x0bf\x0cg
<start_of_text> and <end_of_text>
<END_OF_TEXT>
<start_of_text
<|endoftext|>
hello!!! really??? yes...
#hashtag @mention http://example.com/a?b=c&d=e
C:\\\\path\\\\to (file) [x] {y} ~`^_
naïve café résumé
naïve café
Straße STRASSE ẞ ﬁ ﬂ ﬃ ﬅ Ǆ ǆ
İstanbul ISPARTA ı I i̇
ΟΔΥΣΣΕΥΣ Σ ς ὈΔΥΣΣΕΎΣ
ﾊﾝｶｸ ＦＵＬＬ ＷＩＤＴＨ １２３ ！＠＃
日本語のテキスト 中文字符 한국어 조선말
العربية مرحبا بالعالم
עברית שלום
हिन्दी नमस्ते
ไทย สวัสดี
“curly” ‘single’ „low“ «guillemets» ‹x› ′prime″
it’s we’ve I’m they’ll he’d you’re
dash – em — minus − hyphen ‐ soft\u00adhyphen
ellipsis… bullet • middle · degree ° section §
😀 😃 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 🇯🇵 ☃ ☃️ ❤️ 1️⃣
½ ¼ ² ³ Ⅷ ⅷ ① ⑳ ㊿ ٣ ४ 〇
&amp; &lt;b&gt; &quot; &#39; &#x27; &#8217; &nbsp; &eacute;
&amp;amp; &amp;amp;amp;lt; &ampamp; &notin; &notit; &lt &gtx &AMP &copy2
&#0; &#128; &#150; &#xD800; &#x110000; &#99999999999; &#x; &#; &; &unknown; &NotEqualTilde;
&HILDE; &EACUTE; &AELIG; &Eacute; &ETH; <b>&amp;</b>
sÃ³lo â€œquotedâ€\x9d â€™ itâ€™s Ã© Ã¼ Ã\xa0 la carte
âœ” No problems ðŸ˜€ Ð¿Ñ€Ð¸Ð²ÐµÑ‚ æ—¥æœ¬èªž
The Mona Lisa doesnÃƒÂ¢Ã¢â€šÂ¬Ã¢â€žÂ¢t have eyebrows.
l’humanitÃ© voilÃ le travail
schÃ¶n SchÃ¶ne GrÃ¼ÃŸe
\x00null\x07bell\x1b[31mred\x1b[0m\x7fdel\x85nel\x9f
zero\u200bwidth\u200cjoin\u200der\u2060word\ufeffbom
\u202aembedding\u202c \u2066isolate\u2069 \u061c \u206a
line\u2028separator\u2029paragraph
\u3000ideographic\u00a0nbsp\u2003em\u1680ogham\u205f
\ufff9interlinear\ufffaannotation\ufffb \ufffc \ufffd
a\u0301\u0302\u0303 e\u0301 o\u0308 \u0301alone Z̷̢a̶l̸g̵o̴
ſ ſtrange K Å Ω ℌ ℝ 𝕳𝖊𝖑𝖑𝖔 𝓬𝓾𝓻𝓼𝓲𝓿𝓮
'S 'ſ 'T 'RE 'VE 'M 'LL 'D '' 's's 'x
supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis
!
'
"
.
&
;

 
\t\n
_ __ ___ a_b_c
a-b-c A.B.C. U.S.A.
1st 2nd 3rd 4th 42nd
10:30pm 2020-01-01 +49(0)30
$€£¥₹₿ ©®™℠ ←↑→↓ ∀∂∈ℝ∧∪≡∞
♔♕♖ ♠♥♦♣ ☀☁☂ ✓✗ ▀▄█ ░▒▓
¿Qué? ¡Olé! Ça va? Øre Åse Łódź Žižek Þór Ħal
IJsland ĳ Ĳ ŉ ǰ ΐ ΰ և ẖ ẗ ẘ ẙ ẚ
Привет Мир Україна ЁЖ Ѣ
Ελληνικά Γειά σου Κόσμε
ქართული ᲥᲐᲠᲗᲣᲚᲘ Հայերեն ՀԱՅ
Ꭰ ꭰ ᏣᎳᎩ Ȿ ȿ Ⱥ ⱥ
𐐀𐐨 𞤀𞤢 𝟘𝟙 🄰 🅰 🆎""".split("\n")

WORDS = """a an the of in on with and painting drawing sketch watercolor oil portrait landscape cat dog horse
house tree mountain river city robot dragon castle forest ocean sunset night red blue green golden tiny huge ancient
futuristic minimalist surreal by style photo realistic abstract geometric Picasso van Gogh Hokusai bicycle teapot
lighthouse astronaut jellyfish skyscraper butterfly thunderstorm 1920s 8k HDR don't it's artist's""".split()

ENCODINGS = ["latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso-8859-2", "macroman", "cp437"]

MOJIBAKE = ["café", "naïve résumé", "it’s “quoted”", "schöne Grüße", "señor niño", "привет мир", "日本語", "€ 5", "😀 happy",
            "Łódź", "… and —", "à la carte", "Île de ré", "½ cup", "Ελλάδα", "İstanbul", "✔ done", "voilà", "©2020"]


def words(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 20)))


def assigned(rng, low, high):
    while True:
        c = chr(rng.randint(low, high))
        if unicodedata.category(c) not in ("Cn", "Cs", "Co"):
            return c


def letters(rng, ranges):
    return "".join(assigned(rng, *rng.choice(ranges)) if rng.random() < 0.8 else " " for _ in range(rng.randint(1, 14)))


def mojibake(rng):
    text = rng.choice(MOJIBAKE)
    if rng.random() < 0.5:
        text = words(rng)[:20] + " " + text
    for _ in range(rng.choice([1, 1, 1, 2])):
        text = text.encode("utf-8").decode(rng.choice(ENCODINGS), errors="replace")
    return text


def entities(rng):
    names = list(html.entities.html5)
    parts = [rng.choice(["&" + rng.choice(names), "&#%d;" % rng.randint(0, 0x11000), "&#x%x" % rng.randint(0, 300), "x", " ", "&amp;"])
             for _ in range(rng.randint(1, 8))]
    return "".join(parts)


def ascii_noise(rng):
    return "".join(chr(rng.randint(1, 127)) for _ in range(rng.randint(1, 30)))


def splice(rng):
    a, b = rng.choice(PLAIN), rng.choice(PLAIN)
    text = a[: rng.randint(0, len(a))] + b[rng.randint(0, len(b)) :]
    return unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), text)


BMP = [(0x20, 0x2FFF), (0x3000, 0xD7FF), (0xF900, 0xFFFD)]
LATIN = [(0x20, 0x24F)]
SCRIPTS = [(0x370, 0x5FF), (0x600, 0x6FF), (0x900, 0xDFF), (0x1E00, 0x1FFF)]
ASTRAL = [(0x1F300, 0x1FAFF), (0x10000, 0x10FFF), (0x1D400, 0x1D7FF), (0x20000, 0x2A6DF)]


def strings(seed=SEED, times=1):
    rng = random.Random(seed)
    found = dict.fromkeys(PLAIN)
    found["x" * 5000] = None
    found["Ünï" * 400] = None
    makers = [
        (words, 500), (mojibake, 400), (entities, 300), (ascii_noise, 300), (splice, 500),
        (lambda r: letters(r, BMP), 200), (lambda r: letters(r, LATIN), 300),
        (lambda r: letters(r, SCRIPTS), 250), (lambda r: letters(r, ASTRAL), 150),
    ]
    for make, count in makers:
        for _ in range(count * times):
            found[make(rng)] = None
    return list(found)


def settled(tokenizer, text):
    """Whether this Python's Unicode tables know each character; newer tables may have its lower case."""
    return all(unicodedata.category(c) != "Cn" for c in tokenizer.clean_fn(text))


def main(out, seed=SEED, times=1):
    tokenizer = SimpleTokenizer()
    rows = [[text, tokenizer.encode(text)] for text in strings(int(seed), int(times)) if settled(tokenizer, text)]
    data = json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()
    Path(out).write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{len(rows)} strings, {Path(out).stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
