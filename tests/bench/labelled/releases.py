"""Which releases the good changes come from: consecutive ones, exactly these files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RELEASES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "attrs": {
            "23.1.0": "6279836d581513a26f1bf235f9acd333bc9115683f14f7e8fae46c98fc50e015",
            "23.2.0": "935dc3b529c262f6cf76e50877d35a4bd3c1de194fd41f47a2b7ae8f19971f30",
            "24.1.0": "adbdec84af72d38be7628e353a09b6a6790d15cd71819f6e9d7b0faa8a125745",
            "24.2.0": "5cfb1b9148b5b086569baec03f20d7b6bf3bcacc9a42bebf87ffaaca362f6346",
        },
        "click": {
            "8.1.6": "48ee849951919527a045bfe3bf7baa8a959c423134e1a5b98c05c20ba75a1cbd",
            "8.1.7": "ca9853ad459e787e2192211578cc907e7594e294c7ccc834310722b41b9ca6de",
            "8.1.8": "ed53c9d8990d83c2a27deae68e4ee337473f6330c040a31d4225c9574d16096a",
            "8.2.0": "f5452aeddd9988eefa20f90f05ab66f17fce1ee2a36907fd30b05bbb5953814d",
        },
        "flask": {
            "3.0.0": "cfadcdb638b609361d29ec22360d6070a77d7463dcb3ab08d2c2f2f168845f58",
            "3.0.1": "6489f51bb3666def6f314e15f19d50a1869a19ae0e8c9a3641ffe66c77d42403",
            "3.0.2": "822c03f4b799204250a7ee84b1eddc40665395333973dfb9deebfe425fefcb7d",
            "3.0.3": "ceb27b0af3823ea2737928a4d99d125a06175b8512c445cbd9a9ce200ef76842",
        },
        "jinja2": {
            "3.1.2": "31351a702a408a9e7595a8fc6150fc3f43bb6bf7e319770cbc0db9df9437e852",
            "3.1.3": "ac8bd6544d4bb2c9792bf3a159e80bba8fda7f07e81bc3aed565432d5925ba90",
            "3.1.4": "4a3aee7acbbe7303aede8e9648d13b8bf88a429282aa6122a993f0ac800cb369",
            "3.1.5": "8fefff8dc3034e27bb80d67c671eb8a9bc424c0ef4c0826edbff304cceff43bb",
        },
        "marshmallow": {
            "3.20.2": "4c1daff273513dc5eb24b219a8035559dc573c8f322558ef85f5438ddd1236dd",
            "3.21.0": "20f53be28c6e374a711a16165fb22a8dc6003e3f7cda1285e3ca777b9193885b",
            "3.21.1": "4e65e9e0d80fc9e609574b9983cf32579f305c718afb30d7233ab818571768c3",
            "3.21.2": "82408deadd8b33d56338d2182d455db632c6313aa2af61916672146bb32edc56",
        },
        "packaging": {
            "23.1": "a392980d2b6cffa644431898be54b0045151319d1e7ec34f0cfed48767dd334f",
            "23.2": "048fb0e9405036518eaaf48a55953c750c11e1a1b68e0dd1a9d62ed0c092cfc5",
            "24.0": "eb82c5e3e56209074766e6885bb04b8c38a0c015d0a30036ebe7ece34c9989e9",
            "24.1": "026ed72c8ed3fcce5bf8950572258698927fd1dbda10a5e981cdf0ac37f4f002",
        },
        "pluggy": {
            "1.2.0": "d12f0c4b579b15f5e054301bb226ee85eeeba08ffec228092f8defbaa3a4c4b3",
            "1.3.0": "cf61ae8f126ac6f7c451172cf30e3e43d3ca77615509771b3a984a0730651e12",
            "1.4.0": "8c85c2876142a764e5b7548e7d9a0e0ddb46f5185161049a79b7e974454223be",
            "1.5.0": "2cffa88e94fdc978c4c574f15f9e59b7f4201d439195c3715ca9e2486f1d0cf1",
        },
        "requests": {
            "2.28.2": "98b1b2782e3c6c4904938b84c0eb932721069dfdb9134313beff7c83c2df24bf",
            "2.29.0": "f2e34a75f4749019bb0e3effb66683630e4ffeaf75819fb51bebef1bf5aef059",
            "2.30.0": "239d7d4458afcb28a692cdd298d87542235f4ca8d36d03a15bfc128a6559a2f4",
            "2.31.0": "942c5a758f98d790eaed1a29cb6eefc7ffb0d1cf7af05c3d2791656dbd6ad1e1",
        },
        "structlog": {
            "23.1.0": "270d681dd7d163c11ba500bc914b2472d2b50a8ef00faa999ded5ff83a2f906b",
            "23.2.0": "334666b94707f89dbc4c81a22a8ccd34449f0201d5b1ee097a030b577fa8c858",
            "23.3.0": "24b42b914ac6bc4a4e6f716e82ac70d7fb1e8c3b1035a765591953bfc37101a5",
            "24.1.0": "41a09886e4d55df25bdcb9b5c9674bccfab723ff43e0a86a1b7b236be8e57b16",
        },
        "urllib3": {
            "2.0.7": "c97dfde1f7bd43a71c8d2a58e369e9b2bf692d1334ea9f9cae55add7d0dd0f84",
            "2.1.0": "df7aa8afb0148fa78488e7899b2c59b5f4ffcfa82e6c54ccb9dd37c1d7b52d54",
            "2.2.0": "051d961ad0c62a94e50ecf1af379c3aba230c66c710493493560c0c223c49f20",
            "2.2.1": "d0570876c61ab9e520d776c38acbbb5b05a776d3f9ff98a5c8fd5162a444cf19",
        },
        "werkzeug": {
            "3.0.1": "507e811ecea72b18a404947aded4b3390e1db8f826b494d76550ef45bb3b1dcc",
            "3.0.2": "e39b645a6ac92822588e7b39a692e7828724ceae0b0d702ef96701f90e70128d",
            "3.0.3": "097e5bfda9f0aba8da6b8545146def481d06aa7d3266e7448e2cccf67dd8bd18",
            "3.0.4": "34f2371506b250df4d4f84bfe7b0921e4762525762bbd936614909fe25cd7306",
        },
    }
)
"""Package -> version, oldest first -> sha256 of its source distribution."""
