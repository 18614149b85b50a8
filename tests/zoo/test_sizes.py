"""How many parameters each system has, beside the number that a paper or the owner of its weights tells."""

import pytest

from zoo.running.forecast import forecast
from zoo.systems import load_system, system_paths

CLASSES = [f"2024/machine{number}/00/" for number in range(10)]
SIZES = {  # of a network for ten classes, and what of it is trained
    "anopatch": (90_726_384, 90_726_384),
    "asd26_frozen_near": (90_311_792, 0),
    "asd26_frozen_w1": (90_311_792, 0),
    "asd26_lora_near": (94_482_416, 4_170_624),
    "asd26_lora_w1": (94_482_416, 4_170_624),
    "autoencoder": (267_928, 267_928),
    "beats_difference": (90_311_792, 0),
    "beats_eat": (191_274_672, 15_708_736),
    "beats_frozen": (90_311_792, 0),
    "beats_lora": (94_207_888, 3_896_096),
    "beats_w1": (90_311_792, 0),
    "ced_frozen": (85_304_960, 0),
    "ced_ft": (85_312_640, 85_312_640),
    "dual_branch_cnn": (2_673_152, 2_668_032),
    "dual_branch_cnn_robust": (1_446_144, 1_442_304),
    "dual_branch_cnn_status": (2_420_848, 2_405_488),
    "eat_frozen": (85_254_144, 0),
    "eat_lora": (97_058_304, 11_804_160),
    "fisher_frozen": (21_393_408, 0),
    "genrep": (90_311_792, 0),
    "hubert_frozen": (94_370_944, 0),
    "log_mel_knn": (0, 0),
    "log_mel_pca": (0, 0),
    "log_mel_quantiles_knn": (0, 0),
    "log_mel_stats_knn": (0, 0),
    "mobilenet": (700_490, 700_490),
    "multi_resolution_cnn": (5_630_800, 5_548_880),
    "nf_cdee": (6_595_193, 6_595_193),
    "qwen_audio": (650_606_080, 15_741_440),
    "unispeech_sat_frozen": (94_370_944, 0),
    "wav2vec2_frozen": (315_437_696, 0),
    "wav2vec2_ft": (315_447_936, 315_447_936),
    "wavlm_frozen": (94_381_168, 0),
    "whisper_frozen": (634_864_640, 0),
    "wilkinghoff_2023": (2_577_520, 2_536_560),
}
MEBI = 2**20
TOLD = {  # system -> number, how near we are to it at least, who says so
    "autoencoder": (0.27e6, 0.01, "baseline of 2023 to 2026"),
    "mobilenet": (
        706_224 - 18_544 + 1281 * 10,
        0,
        "Keras, without batch statistics, with ten classes",
    ),
    "nf_cdee": (6.27 * MEBI, 0.01, "T24 Table 1, without heads"),
    "dual_branch_cnn": (2.75e6, 0.03, "T24 Table 1"),
    "beats_frozen": (90.3e6, 0.001, "BEATs, AnoPatch"),
    "ced_frozen": (85.66e6, 0.005, "GenRep 2025 Table 4"),
    "hubert_frozen": (94_370_944, 0, "transformers, without the mask embedding"),
    "unispeech_sat_frozen": (94_370_944, 0, "transformers, likewise"),
    "wavlm_frozen": (94_381_168, 0, "transformers, likewise"),
    "wav2vec2_frozen": (315_437_696, 0, "transformers, likewise"),
    "whisper_frozen": (634_864_640, 0, "Whisper-large-v2, without the table of positions"),
}


def test_every_system_is_counted() -> None:
    assert set(SIZES) == {name for name in system_paths() if not name.endswith("_tiny")}


@pytest.mark.parametrize("name", SIZES)
def test_a_system_has_its_size(name: str) -> None:
    cost = forecast(load_system(name), CLASSES)
    assert (cost.parameters, cost.trainable) == SIZES[name]


@pytest.mark.parametrize("name", TOLD)
def test_it_is_the_size_that_is_told(name: str) -> None:
    number, near, _ = TOLD[name]
    assert SIZES[name][0] == pytest.approx(number, rel=near or 1e-12)
