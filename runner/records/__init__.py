"""The nouns: frozen, strict records that flow between the rooms. No I/O."""
