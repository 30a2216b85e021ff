import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.vocab import MASK, MASK_ID, PAD, PAD_ID, CharVocab

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=PAD + MASK))


def test_marks_come_first_and_characters_are_sorted():
    vocab = CharVocab.from_text(["cab", "Zürich"])
    assert vocab.characters == PAD + MASK + "\nZabchirü"
    assert (vocab.characters[PAD_ID], vocab.characters[MASK_ID]) == (PAD, MASK)


@given(TEXT)
def test_decoding_undoes_encoding(text):
    vocab = CharVocab.from_text(text)
    assert vocab.decode(vocab.encode(text)) == text


@given(TEXT, TEXT)
def test_characters_outside_are_refused_by_name(known, other):
    vocab = CharVocab.from_text(known)
    if outside := sorted(set(other) - set(known) - {"\n"}):
        with pytest.raises(ValueError, match=f"U\\+{ord(outside[0]):04X}"):
            vocab.encode(other)
    else:
        assert vocab.encode(other).dtype == np.int32


def test_decomposed_text_is_recognised():
    with pytest.raises(ValueError, match="NFC"):
        CharVocab.from_text("u").encode("u\u0308")


@pytest.mark.parametrize("characters", ["ab", MASK + PAD + "a", PAD + MASK + "aa"])
def test_a_vocabulary_without_its_marks_or_with_doubles_is_refused(characters):
    with pytest.raises(ValueError):
        CharVocab(characters)


def test_the_real_text_has_256(cs224n):
    text = (cs224n / "wiki.txt").read_text(encoding="utf-8")
    assert len(CharVocab.from_text(text)) == 256
