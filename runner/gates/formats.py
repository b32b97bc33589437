"""Tokens whose provider gave them a form of their own, beside those of the rule catalogue."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


def is_jwt(token: bytes, _before: bytes = b"") -> bool:
    """Its header is a JSON object, and it is signed."""
    try:
        header = json.loads(base64.urlsafe_b64decode(token.partition(b".")[0] + b"==="))
    except ValueError:
        return False
    return isinstance(header, dict) and not token.endswith(b".")


def _is_hex_key(token: bytes, before: bytes) -> bool:
    """Neither called a hash or a number of a curve nor one that everybody knows."""
    return _HASHED.search(before) is None and _RUN.search(token) is None


_HASHED = re.compile(
    rb"(?i)(?:tx(?:id)?|hash(?:es)?|block|root|topics?|digest|sha\d*|leaf|slot|checksum|prime|order)"
    rb"[\"'`\s:=(\[,-]{1,8}\Z"
)
_RUN = re.compile(rb"(?i)f{8}|0{8}")
BEFORE_BYTES = 24


@dataclass(frozen=True, slots=True)
class _Format:
    """A token contains one of `literals`; what does not is never searched for it."""

    rule: str
    literals: tuple[bytes, ...]
    form: bytes
    is_one: Callable[[bytes, bytes], bool] | None = None
    """Of a token, and of what stands before it; None = its form says enough."""
    pattern: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.form))


FORMATS = (
    _Format(
        "aws-access-key-id",
        (b"AKIA", b"ASIA", b"ABIA", b"ACCA"),
        rb"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}",
    ),
    _Format("jwt", (b"eyJ",), rb"eyJ(?<![\w-]eyJ)[\w-]{14,}+\.eyJ[\w-]{10,}+\.[\w-]{20,}+", is_jwt),
    _Format("stripe", (b"k_test_", b"k_live_"), rb"[rs]k_(?:test|live)_[A-Za-z0-9]{24,}"),
    _Format("gitlab", (b"glptt-",), rb"glptt-[\w-]{40}"),
    _Format(
        "shopify",
        (b"shpat_", b"shpca_", b"shppa_", b"shpss_"),
        rb"shp(?:at|ca|pa|ss)_[A-Za-z0-9]{32,38}",
    ),
    _Format("dependency-track", (b"odt_",), rb"odt_[A-Za-z0-9]{32,40}"),
    _Format(
        "notion", (b"secret_", b"ntn_"), rb"(?:secret_[A-Za-z0-9]{43}|ntn_[0-9]{11}[A-Za-z0-9]{35})"
    ),
    _Format("circleci", (b"CCIPAT_", b"CCIPRJ_"), rb"CCI(?:PAT|PRJ)_\w{22}_[a-z0-9]{40}"),
    _Format("square", (b"sq0", b"EAAA"), rb"(?:sq0(?:idp|csp|atp)-[\w-]{22,43}|EAAA[\w-]{60})"),
    _Format("slack", (b"xox",), rb"xox[abeoprs]-[\w-]{20,}"),
    _Format("anthropic", (b"sk-ant-",), rb"sk-ant-[a-z0-9]{3,8}-[\w-]{80,}"),
    _Format(
        "openai",
        (b"sk-proj-", b"sk-svcacct-", b"sk-admin-"),
        rb"sk-(?:proj|svcacct|admin)-[\w-]{40,}",
    ),
    _Format("posthog", (b"phc_", b"phx_"), rb"ph[cx]_[A-Za-z0-9]{43,44}|phx_[A-Za-z0-9]{57,65}"),
    _Format("cloudflare", (b"cfat_", b"cfut_", b"cfk_"), rb"cf(?:at|ut|k)_[A-Za-z0-9]{48}"),
    _Format("github-installation", (b"ghs_",), rb"ghs_[0-9]+_eyJ[\w.-]{40,}"),
    _Format("1password", (b"ops_eyJ",), rb"ops_eyJ[\w-]{100,}"),
    _Format("netlify", (b"nfp_", b"nfk_", b"nfc_", b"nfu_"), rb"nf[pkcu]_[A-Za-z0-9]{36,}"),
    _Format("planetscale", (b"pscale_",), rb"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,64}"),
    _Format("huggingface", (b"hf_", b"api_org_"), rb"(?:hf|api_org)_[A-Za-z]{34}"),
    _Format(
        "atlassian",
        (b"ATATT3", b"ATCTT3", b"ATBB"),
        rb"AT(?:ATT3|CTT3)[\w=-]{100,}|ATBB[A-Za-z0-9]{24,32}",
    ),
    _Format("jfrog", (b"AKCp",), rb"AKCp[A-Za-z0-9]{64,72}"),
    _Format("akamai", (b"akab-",), rb"akab-[a-z0-9]{16}-[a-z0-9]{16}"),
    _Format("supabase", (b"sbp_",), rb"sbp_(?:v[0-9]_)?[0-9a-f]{40}"),
    _Format("defined", (b"dnkey-",), rb"dnkey-[A-Z0-9]{26}-[A-Z0-9]{52}"),
    _Format("instagram", (b"IGQV",), rb"IGQV[\w-]{100,}"),
    _Format("mailgun", (b"key-",), rb"key-[0-9a-f]{32}"),
    _Format(
        "braintree",
        (b"access_token$",),
        rb"access_token\$(?:production|sandbox)\$[0-9a-z]{13,}\$[0-9a-f]{32}",
    ),
    _Format(
        "dropbox", (b"AAAAAAAAA", b"sl."), rb"[A-Za-z0-9]{11}AAAAAAAAA[\w-]{43,}|sl\.[\w-]{130,}"
    ),
    _Format("twitter-bearer", (b"AAAAAAAAAAAAAAAAAAAA",), rb"A{20}[A-Za-z0-9%]{60,}"),
    _Format("azure", (b"JQQJ9",), rb"[A-Za-z0-9]{52}JQQJ9(?:9|I)[A-Za-z0-9]{20,}={0,2}"),
    _Format("azure-sas", (b"sig=",), rb"sig=[A-Za-z0-9+/%]{43,}(?:=|%3[Dd])"),
    _Format("aws-presigned", (b"X-Amz-Signature=",), rb"X-Amz-Signature=[0-9a-f]{64}"),
    _Format(
        "new-relic",
        (b"NRAK-", b"NRJS-", b"NRII-", b"NRIQ-", b"NRRA-", b"NRAL"),
        rb"NR(?:AK|JS|II|IQ|RA)-[A-Za-z0-9_-]{19,32}|[0-9a-z]{36}NRAL",
    ),
    _Format(
        "vault",
        (b"hvs.", b"hvb.", b"hvr.", b".CAES"),
        rb"(?:hv[sbr]\.[\w-]{24,}|[sbr]\.CAES[\w-]{60,})",
    ),
    _Format("voiceflow", (b"VF.",), rb"VF\.(?:[A-Z]{2,4}\.)?[0-9a-f]{24}\.\w{16}"),
    _Format("stripe-webhook", (b"whsec_",), rb"whsec_[A-Za-z0-9]{32,}"),
    _Format("salesforce", (b"3MVG",), rb"3MVG[\w.]{60,}"),
    _Format("nkey-seed", (b"SU", b"SA", b"SN", b"SO", b"SC", b"SX"), rb"S[A-Z][A-Z2-7]{56}"),
    _Format("telegram", (b":AA",), rb"[0-9]{8,10}:AA[\w-]{32,36}"),
    _Format(
        "discord-webhook",
        (b"/api/webhooks/",),
        rb"discord(?:app)?\.com/api/webhooks/[0-9]{15,}/[\w-]{50,}",
    ),
    _Format(
        "teams-webhook",
        (b"/webhook/",),
        rb"outlook\.office(?:365)?\.com/webhook/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36}",
    ),
    _Format("salesforce-session", (b"00D",), rb"00D[A-Za-z0-9]{12}![\w.]{60,}"),
    _Format("google-refresh", (b"1//0",), rb"1//0[\w-]{50,}"),
    _Format("hex-private-key", (b"0x",), rb"0x[0-9a-fA-F]{64}", _is_hex_key),
    _Format("doppler", (b"dp.",), rb"dp\.[a-z]{2,5}\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    _Format("ntlm", (b"TlRMTVNTUA",), rb"TlRMTVNTUA[A-Za-z0-9+/]{40,}"),
    _Format("nuget", (b"oy2",), rb"oy2[a-z0-9]{43}"),
    _Format("maxmind", (b"_mmk",), rb"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    _Format("xai", (b"xai-",), rb"xai-[A-Za-z0-9_]{70,}"),
    _Format("linear", (b"lin_api_", b"lin_oauth_"), rb"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}"),
    _Format("figma", (b"figd_", b"figo_", b"figu_", b"figr_"), rb"fig[dour]_[\w-]{36,}"),
    _Format("airtable", (b"pat",), rb"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _Format("sentry", (b"sntrys_", b"sntryu_"), rb"sntry[su]_[\w=+/-]{60,}"),
    _Format("grafana", (b"glsa_", b"glc_"), rb"gl(?:sa|c)_[A-Za-z0-9]{32,}(?:_[0-9a-f]{8})?"),
    _Format("databricks", (b"dapi",), rb"dapi[0-9a-f]{32}"),
    _Format("pagarme", (b"ak_live_", b"ak_test_"), rb"ak_(?:live|test)_[A-Za-z0-9]{30,}"),
)
_LITERALS = [(literal, known) for known in FORMATS for literal in known.literals]
_SAMPLE = re.compile(
    rb"(?i)x{6}|[_-]abcdefghijklmnopqrstuvwxyz|example|redact|placeholder|your|hello"
)
_BESIDE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_IN_TOKEN = _BESIDE | frozenset(b".+/=$:%@!")
_SPACED = bytes(byte if byte in _IN_TOKEN else 0x20 for byte in range(256))
SHORTEST_BYTES = 20
_PLAIN = re.compile(rb"[a-z_./:=-]+")
"""Small letters alone: chance makes no token of that kind."""


def find(text: bytes) -> Iterator[tuple[str, int, int]]:
    """Rule, start and end of every token that stands alone and does not call itself a sample."""
    words = {word for word in text.translate(_SPACED).split() if len(word) >= SHORTEST_BYTES}
    mixed = b"\n".join(word for word in words if not _PLAIN.fullmatch(word))
    for known in dict.fromkeys(known for literal, known in _LITERALS if literal in mixed):
        for token in {match[0] for match in known.pattern.finditer(mixed)}:
            if not _SAMPLE.search(token):
                for start, end in _places(text, token):
                    before = text[max(0, start - BEFORE_BYTES) : start]
                    if known.is_one is None or known.is_one(token, before):
                        yield known.rule, start, end


def _places(text: bytes, token: bytes) -> Iterator[tuple[int, int]]:
    """Where it stands alone: not the middle of something longer.

    Looked at afterwards: a pattern that begins with a literal is searched for ten times as fast as
    one that begins with a look behind.
    """
    start = text.find(token)
    while start >= 0:
        end = start + len(token)
        before = start > 0 and text[start - 1] in _BESIDE
        if not before and not (end < len(text) and text[end] in _BESIDE and text[end] != 0x2D):
            yield start, end
        start = text.find(token, end)
