"""The yardstick: the course's experiment as a textbook writes it.

Float32, eager, every sample padded to the block, characters encoded one by one in `__getitem__`, attention as an
explicit masked softmax with dropout, AdamW unfused, `loss.item()` each step; answers decoded one question at a time, a
whole forward pass for each of always 32 characters.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from tests.course_gpt import CourseGPT

PAD, MASK = "\u25a1", "\u2047"


class Padded(Dataset):
    """Texts with their unscored beginnings; encoded, cut and padded whenever they are asked for."""

    def __init__(self, texts: Sequence[str], characters: str, block: int, *, corrupted: bool) -> None:
        self.texts, self.block, self.corrupted = texts, block, corrupted
        self.numbers = {character: number for number, character in enumerate(characters)}

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        text, unscored = self.texts[index], 0
        if self.corrupted:
            text = text[: random.randint(4, self.block * 7 // 8)]
            size = max(1, min(len(text) - 2, random.randint(1, max(1, len(text) // 2 - 1))))
            start = random.randint(1, len(text) - size - 1)
            text = text[:start] + MASK + text[start + size :] + MASK + text[start : start + size]
        else:
            question, place = text.split("\t")
            text, unscored = question + MASK + place + MASK, len(question)
        text += PAD * (self.block - len(text))
        inputs = torch.tensor([self.numbers[character] for character in text[:-1]])
        targets = [self.numbers[character] for character in text[1:]]
        return inputs, torch.tensor([0] * unscored + targets[unscored:])


class Textbook:
    """One experiment of a kind at the reference size, on the files of a corpus."""

    def __init__(self, kind: str, folder: Path, *, dropout: float = 0.1) -> None:
        documents = (folder / "wiki.txt").read_text(encoding="utf-8").splitlines()
        self.rows = (folder / "birth_places_train.tsv").read_text(encoding="utf-8").splitlines()
        self.characters = PAD + MASK + "".join(sorted(set("\n".join(documents) + "\n")))
        self.documents = documents
        self.model = CourseGPT(
            kind, vocab=len(self.characters), layers=4, heads=8, width=256, block=128, bottleneck=64, dropout=dropout
        )
        for parameter in self.model.parameters():
            nn.init.normal_(parameter, std=0.02)

    def train(self, steps: int, batch_size: int, *, corrupted: bool) -> float:
        """Samples a second over `steps` steps."""
        texts = self.documents if corrupted else self.rows
        texts = (texts * (1 + steps * batch_size // len(texts)))[: steps * batch_size]
        loader = DataLoader(Padded(texts, self.characters, 128, corrupted=corrupted), batch_size=batch_size)
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=6e-3, betas=(0.9, 0.95), weight_decay=0.1, foreach=False
        )
        self.model.train()
        losses = []
        started = time.perf_counter()
        for inputs, targets in loader:
            logits = self.model(inputs)
            loss = nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=0)
            self.model.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        return len(texts) / (time.perf_counter() - started)

    @classmethod
    def first_step(cls, kind: str, folder: Path, batch_size: int) -> float:
        """Seconds from nothing to the end of the first step."""
        started = time.perf_counter()
        cls(kind, folder).train(1, batch_size, corrupted=True)
        return time.perf_counter() - started

    def answer(self, questions: Sequence[str]) -> tuple[list[str], float]:
        """The answers, and how many a second."""
        self.model.eval()
        started = time.perf_counter()
        answers = [self.model.answer(question, self.characters) for question in questions]
        return answers, len(questions) / (time.perf_counter() - started)


if __name__ == "__main__":  # KIND FOLDER BATCH: two steps, then the most memory they took, in kB
    kind, folder, batch = sys.argv[1:]
    Textbook(kind, Path(folder)).train(2, int(batch), corrupted=True)
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
