"""URLs that an enemy may put where a picture's address belongs, and such as must not be refused for
it.
"""

from __future__ import annotations

PUBLIC = "93.184.216.34"
"""What every name that is not in `NAMES` resolves to."""

_IN_DISGUISE = """
2130706433 017700000001 0177.0.0.1 0177.1 0x7f.0.0.1 0x7f000001 0x7f.1 0X7F.0.0.1 127.1 127.0.1 127.0.0.01 127.0.0.0x1
3232235521 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 169.16689662 0 0x0 00 00.0.0.0 0.0 0x08080808 8.8.8 134744072
425.510.425.510 256.256.256.256 1.1.1.1.1 127.0.0.1.0x 0x7f.0x0.0x0.0x1 4294967295 99999999999999999999 1.2.3.0x
１２７.０.０.１ １２７。０。０。１ 127．0．0．1 127｡0｡0｡1 ①②⑦.⓪.⓪.① ⑯⑨。②⑤④。⑯⑨｡②⑤④ 𝟭𝟮𝟳.𝟬.𝟬.𝟭 𝟙𝟚𝟟.𝟘.𝟘.𝟙 0ｘ7f.1 ⓪x⑦f.① ²¹³⁰⁷⁰⁶⁴³³ 1\u00ad27.0.0.1 127.0.0.1\u200b 127.0.0.1\u2060
127.0.0.1. 169.254.169.254. 2130706433. 127.0.0.1.. ⑫7.1 ⒈.0.0.1
""".split()

_IPV4 = """
127.0.0.1 127.255.255.254 127.0.0.53 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 100.100.100.200
169.254.169.254 169.254.170.2 169.254.0.1 172.16.0.1 172.17.0.1 172.31.255.255 192.168.0.1 192.168.1.254 192.168.99.100 192.0.0.1
192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7
203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
""".split()

_IPV6 = """
::1 :: 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0
::127.0.0.1 ::a9fe:a9fe ::ffff:0:127.0.0.1 fe80::1 fe80::1%25eth0 fe80::1%eth0 febf::1 fec0::1 feff::1 fc00::1 fd00::1 fdff::1
fd00:ec2::254 fd20:ce::254 ff02::1 ff0e::1 2002:7f00:1:: 2002:a9fe:a9fe::1 2002:a00:1::1 64:ff9b::7f00:1 64:ff9b::169.254.169.254
64:ff9b::10.0.0.1 64:ff9b:1::a00:1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2001:db8:1::7
2620:4f:8000::1 3fff::1 100::1 100:0:0:1::1 2606:4700:0:0:0:5efe:10.0.0.1 2606:4700::200:5efe:7f00:1 2606:4700::5efe:7f00:1 5f00::1
4000::1 8000::1 e000::1 1::1 ::2 2606:4700::1111%25lo 2606:4700::1111%lo
""".split()

NAMES: dict[str, list[str]] = {
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "app.localhost": ["::1"],
    "ip6-localhost": ["::1"],
    "ip6-loopback": ["::1"],
    "metadata": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "metadata.goog": ["169.254.169.254"],
    "instance-data": ["169.254.169.254"],
    "instance-data.ec2.internal": ["169.254.169.254"],
    "100.100.100.200.example": ["100.100.100.200"],
    "host.docker.internal": ["192.168.65.2"],
    "kubernetes.default.svc": ["10.96.0.1"],
    "kubernetes.default.svc.cluster.local": ["10.96.0.1"],
    "intranet": ["10.0.0.5"],
    "printer.local": ["169.254.10.10"],
    "router.home.arpa": ["192.168.1.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "7f000001.hex.example": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "six-to-four.example": ["2002:7f00:1::"],
    "teredo.example": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "isatap.example": ["2606:4700::5efe:a00:1"],
    "zone.example": ["fe80::1%eth0"],
    "zoned-loopback.example": ["::1%lo"],
    "first-is-bad.example": ["10.0.0.1", PUBLIC],
    "last-is-bad.example": [PUBLIC, "2606:4700::1111", "192.168.0.1"],
    "middle-is-bad.example": [PUBLIC, "::1", PUBLIC],
    "bad-in-the-other-family.example": [PUBLIC, "fd00:ec2::254"],
    "no-address.example": ["not an address"],
    "decimal-address.example": ["2130706433"],
    "xn--n3h.example": ["127.0.0.1"],
    "xn--bcher-kva.example": [PUBLIC],
}

_BAD_NAMES = [name for name, addresses in NAMES.items() if addresses != [PUBLIC]]

_SCHEMES = """
file:///etc/passwd file://localhost/etc/passwd file:/etc/passwd FILE:///etc/passwd file://93.184.216.34/share ftp://example.com/a.png
ftps://example.com/a.png sftp://example.com/a.png tftp://example.com/a.png gopher://127.0.0.1:6379/_INFO dict://127.0.0.1:11211/stats
ldap://127.0.0.1/ ldaps://127.0.0.1/ ldapi://%2fvar%2frun/ jar:http://example.com!/a.png jar:file:///a!/b netdoc:///etc/passwd
data:image/svg+xml,<svg/> data:text/html;base64,PGh0bWw+ data:image/png;base64,iVBORw0KGgo= javascript:alert(1) JaVaScRiPt:alert(1)
vbscript:msgbox(1) blob:http://example.com/x filesystem:http://example.com/x about:blank chrome://settings view-source:http://example.com/
ws://example.com/ wss://example.com/ unix:/var/run/docker.sock http+unix://%2Fvar%2Frun%2Fdocker.sock/ rtsp://example.com/a smb://example.com/a
php://filter/x expect://id phar://a.png zip://a.png#b ogg://a mailto:a@example.com tel:123 ssh2://example.com/ git://example.com/a
imap://example.com/ pop3://example.com/ smtp://example.com:25/ telnet://example.com/ intent://example.com/ content://a/b cid:a@b urn:isbn:1 s3://bucket/key
""".split()

_TRICKS = [
    # who is the user, and who the host
    "http://user@93.184.216.34/a.png", "http://user:pass@example.com/", "http://example.com@127.0.0.1/", "http://@127.0.0.1/",
    "http://:@example.com/", "http://example.com:80@127.0.0.1/", "http://127.0.0.1@example.com/", "http://a@b@example.com/",
    "http://example.com%40127.0.0.1/", "http://example.com&@127.0.0.1#@example.com/", "http://127.0.0.1:80\\@example.com/",
    "http://127.0.0.1\\@example.com/", "http://example.com\\.evil/", "http:\\\\127.0.0.1\\a.png", "http:/\\127.0.0.1/", "\\\\127.0.0.1\\share",
    "http://example.com＠127.0.0.1/", "http://example.com／.evil.example/", "http://example.com？.evil.example/",
    "http://example.com＃.evil.example/", "http://example.com℀evil.example/", "http://example.com：80/", "http://example.com︓80/",
    # blanks and controls, which some parsers strip and others keep
    "http://exam ple.com/", "http://example.com/a b", "http://example.com\t/", "http://example.com/\r\nHost: x", "http://\x00example.com/",
    " http://example.com/", "\thttp://example.com/", "http://example.com/\n", "ht\ntp://example.com/", "http://127.0.0.1\t.example.com/",
    "http://example.com/\x7f", "http://example.com/\x1b[2J", "http://127.0.0.1 .example.com/", "http://example.com/ HTTP/1.1\r\nX: y",
    "http://example.com\r\n.evil.example/", "\x01http://example.com/",
    # no URL, or none with a host
    "http://", "http:///a.png", "http:a.png", "http:/a.png", "//example.com/a.png", "///example.com/", "example.com/a.png", "/etc/passwd",
    "../../etc/passwd", "", ".", "http", "http:", "://example.com/", "https:example.com", "http://?a", "http://#a", "http://:80/",
    # ports
    "http://example.com:0/", "http://example.com:99999/", "http://example.com:x/", "http://example.com:-1/", "http://example.com:65536/",
    "http://example.com:80:80/", "http://example.com:８０８０９/", "http://example.com:+80/", "http://example.com:0x50/", "http://127.0.0.1:22/", "http://[::1]:6379/",
    # names that are none
    "http://-/", "http://.example.com/", "http://exa..mple.com/", "http://" + "a" * 64 + ".com/", "http://" + "a." * 200 + "com/",
    "http://exa%6dple.com/", "http://%31%32%37.0.0.1/", "http://127.0.0.1%00.example.com/", "http://127.0.0.1%2f.example.com/",
    "http://127.0.0.1%23.example.com/", "http://%6c%6f%63alhost/", "http://exa{mple.com/", "http://exa|mple.com/", "http://exa^mple.com/", "http://`example.com/",
    'http://exa"mple.com/', "http://<example.com>/", "http://exa'mple.com/", "http://ex*mple.com/", "http://exa!mple.com/", "http://exa$mple.com/",
    "http://example.com;127.0.0.1/", "http://example.com,127.0.0.1/", "http://127.0.0.1;.example.com/", "http://(127.0.0.1)/", "http://example.com~/",
    "http://\u2028example.com/", "http://example\ud800.com/", "http://example.com/\ud800", "http://٣.example٠.1/",
    # brackets
    "http://[::1", "http://::1]/", "http://[1::2::3]/", "http://[v1.a]/", "http://[93.184.216.34]/", "http://[example.com]/", "http://[]/", "http://[::1].example.com/",
    "http://[::ffff:127.0.0.1]:80:80/", "http://[::ffff:0x7f.1]/", "http://[::ffff:2130706433]/", "http://[[::1]]/", "http://example.com[::1]/", "http://[:::1]/", "http://[::１]/", "http://[12345::1]/",
    "http://example.com/" + "a" * 20_000,
]  # fmt: skip

FORBIDDEN: list[str] = [
    *(f"http://{host}/a.png" for host in _IPV4),
    *(f"https://[{host}]/a.png" for host in _IPV6),
    *(f"http://{host}/a.png" for host in _IN_DISGUISE),
    *(f"http://{name}/latest/meta-data/a.png" for name in _BAD_NAMES),
    *(f"https://{name.upper()}.:8443/a.png" for name in _BAD_NAMES[:8]),
    "http://☃.example/a.png",
    *_SCHEMES,
    *_TRICKS,
]

GOOD: dict[str, str] = {
    "https://images.openrouter.ai/a.png": PUBLIC,
    "https://openrouter.ai/generated/a.webp?sig=ab%2Fc%3D&x=1": PUBLIC,
    "http://example.com/": PUBLIC,
    "http://example.com": PUBLIC,
    "http://example.com?a=b": PUBLIC,
    "https://example.com:443/a.png": PUBLIC,
    "http://example.com:/a.png": PUBLIC,
    "HTTPS://EXAMPLE.COM./a?b=c#d": PUBLIC,
    "hTTp://eXample.com/a.png": PUBLIC,
    "https://example.com:8443/a.png": PUBLIC,
    "https://example.com:65535/a.png": PUBLIC,
    "https://bücher.example/a.png": PUBLIC,
    "https://xn--bcher-kva.example/a.png": PUBLIC,
    "https://例え.example/絵.png": PUBLIC,
    "https://пример.example/a.png": PUBLIC,
    "https://ｅｘａｍｐｌｅ.com/": PUBLIC,
    "https://example。com/a.png": PUBLIC,
    "https://a_b.s3.example/x?X-Amz-Signature=ab%2Fc": PUBLIC,
    "https://bucket.s3.us-east-1.amazonaws.example/key/with/slashes.png?X-Amz-Expires=3600&X-Amz-Date=20250101T000000Z": PUBLIC,
    "https://storage.example/a.png?Expires=1&Signature=a+b/c==&Key-Pair-Id=K": PUBLIC,
    "https://blob.example/c/a.png?sv=2022-11-02&sr=b&sig=ab%2Bc%3D": PUBLIC,
    "https://1.example/": PUBLIC,
    "https://127.0.0.1.example/a.png": PUBLIC,
    "https://0x7f.example/a.png": PUBLIC,
    "https://localhost.example/a.png": PUBLIC,
    "https://a-b-c.example/a.png": PUBLIC,
    "https://a--b.example/a.png": PUBLIC,
    "https://_dmarc.example/a.png": PUBLIC,
    "https://example.com/../../etc/passwd": PUBLIC,
    "https://example.com//a//b.png": PUBLIC,
    "https://example.com/a%20b.png": PUBLIC,
    "https://example.com/a%00b.png": PUBLIC,
    "https://example.com/%2e%2e/a.png": PUBLIC,
    "https://example.com/a.png?url=http://127.0.0.1/": PUBLIC,
    "https://example.com/a.png?u=user@host": PUBLIC,
    "https://example.com/@user/a.png": PUBLIC,
    "https://example.com/a.png#@127.0.0.1": PUBLIC,
    "https://example.com/a;b=c.png": PUBLIC,
    "https://example.com/嘊嘍a.png": PUBLIC,
    "http://8.8.8.8/a.png": "8.8.8.8",
    "http://１.１.１.１/a.png": "1.1.1.1",
    "http://172.32.0.1/": "172.32.0.1",
    "http://172.15.255.255/": "172.15.255.255",
    "http://100.128.0.1/": "100.128.0.1",
    "http://100.63.255.255/": "100.63.255.255",
    "http://192.169.0.1/": "192.169.0.1",
    "http://11.0.0.1/": "11.0.0.1",
    "http://223.255.255.254/": "223.255.255.254",
    "http://169.253.255.255/": "169.253.255.255",
    "http://[2606:4700:4700::1111]/a.png": "2606:4700:4700::1111",
    "http://[2606:4700:4700:0:0:0:0:1111]/a.png": "2606:4700:4700::1111",
    "http://[2A00:1450:4001:80E::200E]/a.png": "2a00:1450:4001:80e::200e",
    "http://[2a00:1450:4001:80e::200e]:8080/": "2a00:1450:4001:80e::200e",
    "http://[::ffff:8.8.8.8]/a.png": "8.8.8.8",
    "http://[::ffff:808:808]/a.png": "8.8.8.8",
    "http://localhost:9/generated/a.png": "127.0.0.1",
    "http://LOCALHOST:9/generated/a.png": "127.0.0.1",
}
"""URL → the address to connect to. `http://localhost:9` is the origin of `base_url`."""
