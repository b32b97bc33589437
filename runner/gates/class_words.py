"""Identifiers and paths as words, and the words that speak of protected things.

`checkUserPassword` -> `check user password`; words are compared whole: `author` is not `auth`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from runner.records.classes import ClassName

Seen = tuple[ClassName, str, int | None]
"""A class, why, and in which line."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAME = re.compile(r"[A-Za-z0-9_$@]+(?:(?:\.|::|->|\?\.)[A-Za-z0-9_$@]+)*")

_SECURITY = """
    auth authn authz authenticate authenticated authenticates authenticating authentication
    authenticator authenticatable authorise authorised authorization authorisation authorize
    authorized authorizer authorizes oauth oidc openid saml sso ldap kerberos login logins logon
    logout signin signout sign_in sign_out log_in log_out password passwords passwd passphrase pwd
    credential credentials permission permissions privilege privileges acl acls rbac abac jwt jwts
    jws jwk jwks jose crypto crypt cryptography cipher ciphers encrypt encrypted encrypter
    encryption decrypt decrypted decryption hmac bcrypt argon2 argon scrypt pbkdf2 pbkdf x509 tls
    ssl mtls keystore truststore keyring kms csrf xsrf mfa totp hotp otp webauthn passkey passkeys
    impersonate impersonation sudo superuser is_admin isadmin is_staff is_owner
    access_token refresh_token id_token auth_token api_token bearer_token csrf_token session_token
    api_key apikey secret_key private_key public_key signing_key session_id sessionid session_key
    session_store session_cookie set_cookie
    request_user req_user current_user current_account has_role hasrole user_role
    user_roles require_role required_role roles_allowed has_perm has_perms has_authority
    authorities granted_authority security_filter security_context access_control access_denied
    forbidden unauthorized unauthorised same_site samesite http_only httponly
    hashlib passlib itsdangerous nacl libsodium openssl secrets md5 sha1 sha256 sha384 sha512 aes
    rsa dsa ecdsa ed25519 hkdf bearer verify_signature verify_token validate_token decode_token
    user_token reset_token invite_token principal principals user_admin require_admin admin_required
    admin_only secured permit_all deny_all allow_any allow_anonymous insecure_skip_verify
    logged_in claims allowed_hosts authenticity_token helmet g_user ctx_user context_user
    session_user req_session request_session user_is_active setuid seteuid setgid constant_time
    timing_safe_equal trust_manager hostname_verifier reject_unauthorized owner_id tenant_id
    verify_mode
    check_hostname
    """
_PATHS_ONLY = """
    session sessions security secret secrets certificate certificates cert certs signature
    signatures signing token_store tokens_store entitlement entitlements
    """
_PAYMENTS = """
    payment payments payout payouts billing invoice invoices invoicing stripe paypal braintree
    adyen klarna mollie worldpay razorpay sepa iban bic refund refunds chargeback chargebacks
    credit_card creditcard debit_card card_number cardnumber cvv cvc checkout_session
    payroll bank_account bankaccount direct_debit amount_cents vat charge_card charge_customer
    """
_PERSONAL = """
    pii gdpr hipaa ccpa ssn social_security personal_data personaldata sensitive_data
    date_of_birth birth_date birthdate dob passport_number tax_id national_id medical_record
    medical_records patient patients anonymize anonymise anonymized anonymised pseudonymize
    pseudonymise data_subject erasure consent consents kyc
    """


def _listed(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


LINE_WORDS: Mapping[ClassName, frozenset[str]] = {
    "security": _listed(_SECURITY),
    "payments": _listed(_PAYMENTS),
    "privacy": _listed(_PERSONAL),
}
"""In a changed line of code; several words with `_` between them stand one after the other."""
PATH_WORDS: Mapping[ClassName, frozenset[str]] = {
    **LINE_WORDS,
    "security": _listed(_SECURITY, _PATHS_ONLY),
}
_LONGEST = 4
_BUT = {"user_agent": "request_user", "permission_error": "permission"}
"""Words that mean something else in company."""


def words(text: str) -> tuple[str, ...]:
    """`HTTPServer2.userId` -> http server 2 user id."""
    return tuple(word.lower() for word in _WORD.findall(text))


def spoken(text: str, table: Mapping[ClassName, frozenset[str]]) -> dict[ClassName, str]:
    """Class -> the first of its words in one line."""
    found: dict[ClassName, str] = {}
    for name in _NAME.findall(text):
        phrases = frozenset(_phrases(words(name))) | {name.lower()}
        for harmless, word in _BUT.items():
            if harmless in phrases:
                phrases -= {word}
        for kind, known in table.items():
            if kind not in found and (hit := phrases & known):
                found[kind] = min(hit)
    return found


def _phrases(parts: tuple[str, ...]) -> Iterable[str]:
    """Up to `_LONGEST` neighbouring words; a number goes with the word before it as well."""
    for at in range(len(parts)):
        for end in range(at + 1, min(at + _LONGEST, len(parts)) + 1):
            yield "_".join(parts[at:end])
            if end - at == 2 and parts[at + 1].isdigit():
                yield "".join(parts[at:end])
