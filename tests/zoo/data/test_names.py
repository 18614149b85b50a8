"""Every file name of the reference, and the laws of the grammar."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.trees import clip_name
from zoo.data import names
from zoo.data.names import ClipName, bare_name, copied_name, parse_name

# name, folder -> (section, index, split, domain, label, attributes)
EXAMPLES: dict[tuple[str, str], tuple[str, str, str, str | None, str | None, str | None]] = {
    ("normal_id_01_00000000.wav", "train"): ("01", "00000000", "train", None, "normal", None),
    ("anomaly_id_01_00000005.wav", "test"): ("01", "00000005", "test", None, "anomaly", None),
    ("id_05_00000000.wav", "test"): ("05", "00000000", "test", None, None, None),
    ("section_00_source_test_normal_0000.wav", "source_test"): ("00", "0000", "test", "source", "normal", None),
    ("section_02_target_test_anomaly_0099.wav", "target_test"): ("02", "0099", "test", "target", "anomaly", None),
    ("section_03_source_test_0000.wav", "source_test"): ("03", "0000", "test", "source", None, None),
    ("section_03_0000.wav", "test"): ("03", "0000", "test", None, None, None),
    ("section_00_0000.wav", "test"): ("00", "0000", "test", None, None, None),
    ("section_00_test_0000.wav", "test"): ("00", "0000", "test", None, None, None),
    ("section_00_source_train_normal_0001_noAttribute.wav", "train"): ("00", "0001", "train", "source", "normal", None),
    ("section_00_source_normal_0035_weight15_BckgF.wav", "test_rename"): (
        *("00", "0035", "test", "source", "normal"),
        "weight15_BckgF",
    ),
    ("section_00_source_train_normal_1490_mic_imp34dt05_mic_pos_A_grind_100_bkg_A.wav", "train"): (
        *("00", "1490", "train", "source", "normal"),
        "mic_imp34dt05_mic_pos_A_grind_100_bkg_A",
    ),
    ("section_00_machine_0001_.wav", "supplemental"): ("00", "0001", "supplemental", None, None, "machine"),
    ("section_00_machine_0100_.wav", "supplemental"): ("00", "0100", "supplemental", None, None, "machine"),
    ("section_00_noise_0007_.wav", "supplemental"): ("00", "0007", "supplemental", None, None, "noise"),
    ("section_00_source_supplemental_machine_0000.wav", "supplemental"): (
        *("00", "0000", "supplemental", "source", None),
        "machine",
    ),
    ("section_00_noise_supplemental_normal_0000.wav", "supplemental"): (
        *("00", "0000", "supplemental", None, "normal"),
        "noise",
    ),
}

ATTRIBUTES = [
    "car_C1_spd_1_mic_2",
    "car_B2_spd_Mb_mic_1",
    "vel_12",
    "grindstone_2_plate_2",
    "speed_1000",
    "vel_16_loc_D",
    "volt_1.5_wt_50",
    "vel_730_ac_0.11",
    "m-n_W",
    "pat_00",
    "car_A1_spd_28V_mic_2",
    "pro_A_vel_4_loc_A",
    "n_A",
    "v1pat_none_v2pat_B",
    "car_B1_spd_7_mic_1",
    "pro_A_wt_200",
    "ac_0.03",
    "mdl_B_spd_2",
    "res_2_len_1",
    "id_C2_spd_4_mic_2",
    "weight15_BckgF",
    "spd1000_BckgC",
    "fl_0_nos_3",
    "pro_A_vel_1100",
    "spd_4_n_D",
    "pow_1_n_C",
    "vol_12000",
    "nzl_1_pow_1",
    "spd_4_grit_120",
    "car_D2_spd_5_mic_2_mic_1",
    "pro_y",
    "pro_Y",
    "pro_A_wt_200_damage1",
    "ac_0.03_",
]


@pytest.mark.parametrize(("name", "folder"), EXAMPLES)
def test_every_form_of_the_reference(name: str, folder: str) -> None:
    parsed = parse_name(name, folder)
    assert parsed is not None
    said = (parsed.section, parsed.index, parsed.split, parsed.domain, parsed.label, parsed.attributes)
    assert said == EXAMPLES[name, folder]
    assert parsed.hidden == ("noAttribute" in name)
    assert parsed.form == ("id" if "id_" in name and "section" not in name else "section")


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_attributes_are_one_opaque_string(attributes: str) -> None:
    parsed = parse_name(f"section_00_target_test_anomaly_0012_{attributes}.wav", "test")
    assert parsed == ClipName("00", "0012", "test", "target", "anomaly", attributes)
    assert parse_name(f"section_00_target_test_anomaly_0012_{attributes}", "test") == parsed


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("recording 1.wav", "train"),
        ("0001.wav", "train"),
        ("section_0_0000.wav", "test"),
        ("section_00.wav", "test"),
        ("section_00_source_train_normal.wav", "train"),
        ("section_00_sideways_train_normal_0000.wav", "train"),
        ("section_00_train_source_normal_0000.wav", "train"),
        ("normal_id_01_0000.wav", "train"),
        ("section_00_machine_0001_.wav", "train"),
        ("xsection_00_0000.wav", "test"),
    ],
)
def test_names_that_are_none(name: str, folder: str) -> None:
    assert parse_name(name, folder) is None


def test_folder_decides_split_and_missing_domain() -> None:
    blind = parse_name("section_03_0000.wav", "target_test")
    assert blind is not None
    assert (blind.split, blind.domain) == ("test", "target")
    in_train = parse_name("section_00_source_test_normal_0000.wav", "train")
    assert in_train is not None
    assert in_train.split == "train"
    elsewhere = parse_name("section_00_source_train_normal_0000_vel_1.wav")
    assert elsewhere is not None
    assert elsewhere.split == "train"


def test_a_supplemental_name_never_trains() -> None:
    parsed = parse_name("section_00_noise_supplemental_normal_0000.wav", "train")
    assert parsed is not None
    assert parsed.split == "supplemental"


@pytest.mark.parametrize(
    "name",
    ["a/b/section_00_0000_volt_1.5.wav", "section_00_0000_volt_1.5", "a\\section_00_0000_volt_1.5.WAV"],
)
def test_bare_name(name: str) -> None:
    assert bare_name(name) == "section_00_0000_volt_1.5"


@settings(deadline=None, max_examples=150)
@given(
    section=st.integers(0, 99),
    index=st.integers(0, 9999),
    domain=st.sampled_from(["", "source", "target"]),
    split=st.sampled_from(["", "train", "test"]),
    label=st.sampled_from(["", "normal", "anomaly"]),
    attributes=st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True).filter(lambda text: text != "noAttribute"),
)
def test_what_is_written_is_read(section: int, index: int, domain: str, split: str, label: str, attributes: str | None) -> None:
    name = clip_name(f"{section:02d}", index, domain, split, label, attributes)
    parsed = parse_name(name)
    assert parsed == ClipName(
        f"{section:02d}",
        f"{index:04d}",
        split or "test",
        domain or None,
        label or None,
        attributes,  # type: ignore[arg-type]
    )


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40), st.sampled_from(["train", "test", "supplemental", ""]))
def test_any_text_is_parsed_or_refused(text: str, folder: str) -> None:
    parsed = parse_name(text, folder)
    if parsed is not None:
        assert parsed.section in text
        assert parsed.index in text


@given(
    st.lists(
        st.sampled_from(["0001", "a", "of ", " ", "-", "_", "(", ")", "2", "copy", "KOPIE", "Copy of ", "kopi", "3rd "])
    ).map("".join)
)
def test_most_names_are_known_to_be_no_copy_without_a_match(stem: str) -> None:
    match = names._COPY.fullmatch(stem)
    assert copied_name(stem) == ((match["after"] or match["before"]) if match else None)
