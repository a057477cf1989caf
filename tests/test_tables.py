"""Study tables: strict reading, line numbers, one bad row fails one participant."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError, TimeZoneError, UnitError
from allostat.tables import (
    Column,
    parse_instant,
    read_biomarker_table,
    read_blood_pressure,
    read_diary,
    read_labs,
    read_participants,
    read_table,
    unmatched,
    zone_info,
)

Write = Callable[[str], Path]
LABS = "participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at\toperator\tassay\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(text: str) -> Path:
        path = tmp_path / "table.tsv"
        path.write_text(text, encoding="utf-8")
        return path

    return to


class TestReader:
    @pytest.mark.parametrize("mark", ["\t", ",", ";"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_tab_comma_and_semicolon_are_told_apart_by_the_header(self, tmp_path: Path, mark: str, end: str) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes(f"a{mark}b{end}1{mark}2{end}{end}3{mark}4{end}".encode())
        table = read_table(path, (Column("a"), Column("b")))
        assert [(r.line, dict(r.cells)) for r in table.rows] == [(2, {"a": "1", "b": "2"}), (4, {"a": "3", "b": "4"})]

    def test_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_bytes(b"\xef\xbb\xbfa\n1\n")
        assert read_table(path, (Column("a"),)).rows[0].text("a") == "1"

    def test_quoted_cell_over_two_lines_keeps_line_numbers_right(self, write: Write) -> None:
        table = read_table(write('a,b\n"x\ny",1\nz,2\n'), (Column("a"), Column("b")))
        assert [r.line for r in table.rows] == [2, 4]

    def test_latin1_names_the_line(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_bytes("a\n1\nM\xfcller\n".encode("latin-1"))
        with pytest.raises(InputError, match=r"t\.tsv, line 3: wrong encoding.*0xFC"):
            read_table(path, (Column("a"),))

    def test_utf16_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "t.tsv"
        path.write_bytes("a\n1\n".encode("utf-16"))
        with pytest.raises(InputError, match="UTF-16"):
            read_table(path, (Column("a"),))

    @pytest.mark.parametrize("text", ["", "\n\n"])
    def test_empty_file(self, write: Write, text: str) -> None:
        with pytest.raises(InputError, match="table is empty"):
            read_table(write(text), (Column("a"),))

    def test_nul_bytes_are_no_table(self, write: Write) -> None:
        with pytest.raises(InputError, match=r"NUL|line contains"):
            read_table(write("a\n\0\n"), (Column("a"),))

    def test_misspelt_column_is_an_error_with_the_right_name(self, write: Write) -> None:
        with pytest.raises(InputError, match=r"line 1: unknown column; found 'unt'; nearest valid: 'unit'"):
            read_table(write("value\tunt\n"), (Column("value"), Column("unit")))

    def test_other_unknown_columns_are_kept_and_noticed(self, write: Write) -> None:
        table = read_table(write("value\tfreezer\n1\tB7\n"), (Column("value"), Column("unit")))
        assert table.rows[0].extras == {"freezer": "B7"}
        assert [n.code for n in table.notices] == ["EXTRA_COLUMNS"]

    def test_column_twice(self, write: Write) -> None:
        with pytest.raises(InputError, match="occurs twice"):
            read_table(write("a\ta\n1\t2\n"), (Column("a"),))

    def test_missing_file_offers_the_nearest(self, tmp_path: Path) -> None:
        (tmp_path / "labs.tsv").write_text("a\n")
        with pytest.raises(InputError, match=r"nearest valid: 'labs\.tsv'"):
            read_table(tmp_path / "lab.tsv", ())

    def test_unclosed_quote_of_a_truncated_file(self, write: Write) -> None:
        with pytest.raises(InputError, match="damaged row"):
            read_table(write('a,b\n"x,1\n'), (Column("a"), Column("b")))

    @settings(max_examples=50, deadline=None)
    @given(data=st.binary(max_size=300))
    def test_any_bytes_give_a_table_or_an_input_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes
    ) -> None:
        path = tmp_path_factory.mktemp("fuzz") / "t.tsv"
        path.write_bytes(data)
        for reader in (read_labs, read_diary, read_participants, read_blood_pressure, read_biomarker_table):
            try:
                reader(path)
            except InputError:
                continue


class TestInstant:
    def test_offset_gives_utc_and_the_wall_clock(self) -> None:
        one = parse_instant("2024-03-01T07:05:00+01:00")
        assert one.epoch == "utc"
        assert one.time_ns == parse_instant("2024-03-01T06:05:00Z").time_ns
        assert one.wall_hour == pytest.approx(7 + 5 / 60)

    def test_naive_time_stays_local_until_its_zone_is_told(self) -> None:
        one = parse_instant("2024-07-01T07:05")
        assert one.epoch == "local"
        assert one.in_zone("Europe/Vienna") == parse_instant("2024-07-01T07:05:00+02:00")

    def test_skipped_hour_in_spring_is_an_error(self) -> None:
        with pytest.raises(TimeZoneError, match="does not occur"):
            parse_instant("2024-03-31T02:30").in_zone("Europe/Vienna")

    def test_repeated_hour_in_autumn_is_the_first(self) -> None:
        assert parse_instant("2024-10-27T02:30").in_zone("Europe/Vienna").utc_offset_s == 7200

    @pytest.mark.parametrize(
        "text", ["0001-01-01T00:00", "9999-12-31T23:59Z", "2024-03-01", "01.03.2024 07:00", "7:00", "nan", ""]
    )
    def test_what_is_no_instant(self, text: str) -> None:
        with pytest.raises(InputError):
            parse_instant(text, where="labs.tsv, line 3")

    def test_unknown_zone_offers_the_nearest(self) -> None:
        with pytest.raises(TimeZoneError, match="Europe/Vienna"):
            zone_info("Europe/Wienna")

    def test_fixed_offset(self) -> None:
        assert parse_instant("2024-01-01T00:00").in_zone("UTC+02:00").utc_offset_s == 7200

    def test_instant_before_1970(self) -> None:
        assert parse_instant("1969-12-31T23:00").wall_hour == 23.0


class TestParticipants:
    def test_identifiers_are_text(self, write: Write) -> None:
        table = read_participants(
            write(
                "participant_id\tsex\tage\ttimezone\tgroup\tmedications\tsite\n"
                "007\tfemale\t34.5\tEurope/Vienna\tA\tramipril; C07AB02\tX\n08\tm\t\t\t\t\t\n"
            )
        )
        first, second = table.participants
        assert (first.participant_id, first.sex, first.age_years) == ("007", "F", 34.5)
        assert first.medications == ("ramipril", "C07AB02")
        assert first.extras == {"site": "X"}
        assert second.person().age_years is None

    def test_duplicate_identifier_names_both_lines(self, write: Write) -> None:
        with pytest.raises(InputError, match=r"lines 2 and 4.*'1'"):
            read_participants(write("participant_id\tsex\n1\tF\n2\tM\n1\tF\n"))

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ("1\tx\t30\t", "unknown sex"),
            ("1\tF\t300\t", "implausible age"),
            ("1\tF\tyoung\t", "not a number"),
            ("1\tF\t30\tVienna", "unknown time zone"),
            ("\tF\t30\t", "participant_id is missing"),
            ("../1\tF\t30\t", "cannot name a folder"),
            ("1\tF", "2 cells under a header of 4"),
        ],
    )
    def test_bad_cells_name_file_line_and_column(self, write: Write, row: str, says: str) -> None:
        with pytest.raises(InputError, match=r"table\.tsv, line 2") as raised:
            read_participants(write(f"participant_id\tsex\tage\ttimezone\n{row}\n"))
        assert says in str(raised.value)

    def test_missing_sex_is_noticed(self, write: Write) -> None:
        table = read_participants(write("participant_id\tsex\n1\tn/a\n"))
        assert table.participants[0].sex is None
        assert [n.code for n in table.notices] == ["SEX_MISSING"]

    def test_unmatched_in_both_directions(self) -> None:
        assert unmatched(["1", "2"], ["2", "3"]) == (("1",), ("3",))

    def test_what_rules_need_to_know_of_a_person(self, write: Write) -> None:
        head = "participant_id\tpregnant\tsmoking\toral_contraceptives\n"
        a, b = read_participants(write(head + "a\tyes\tnever\tno\nb\t\tcurrent\t\n")).participants
        assert (a.person().pregnant, a.person().smoker, a.person().oral_contraceptive) == (True, False, False)
        assert (b.person().pregnant, b.person().smoker) == (None, True)
        with pytest.raises(InputError, match="neither yes nor no"):
            read_participants(write(head + "a\tperhaps\t\t\n"))


class TestLabs:
    def test_one_column_per_marker_says_the_same_as_one_row_per_value(self, write: Write) -> None:
        wide = write(
            "participant_id\tspecimen\thsCRP (mg/L)\tglucose_mmol_L\tSBP[mmHg]\ncollected\tserum\t<0.2\tna\t131\n",
        )
        found = read_labs(wide)
        assert not found.problems
        assert [(r.participant, r.analyte, r.operator, r.unit, r.specimen, r.line) for r in found.rows] == [
            ("collected", "hs_crp", "<", "mg/L", "serum", 2),
            ("collected", "glucose", "", "mmol/L", "serum", 2),
            ("collected", "sbp", "", "mm[Hg]", "serum", 2),
        ]
        assert found.rows[0].value == 0.2 and found.rows[2].value == 131.0
        assert found.rows[1].missing_reason == "na"

    @pytest.mark.parametrize(
        ("header", "says"),
        [
            ("hs_crp[mg/L]\tcomment\tglucoze (mmol/L)", r"comment.*, glucoze \(mmol/L\) \(nearest: glucose\)"),
            ("hs_crp[mg/L]\tglucose", r"glucose \(tells no unit\)'; expected <name>\[<unit>\]"),
            ("hs_crp[mg/L]\thsCRP (mg/L)", "two columns of one marker"),
            ("hs_crp[mg/L]\tglucose[mmol]", "column glucose.*unknown unit|unknown unit.*column glucose"),
        ],
    )
    def test_a_column_that_names_no_marker_or_no_unit_is_named(self, write: Write, header: str, says: str) -> None:
        path = write(f"participant_id\t{header}\n" + "s1" + "\t1" * (header.count("\t") + 1) + "\n")
        with pytest.raises(InputError, match=says):
            read_labs(path)

    def test_what_is_wrong_in_a_wide_table_is_told_with_its_own_column(self, write: Write) -> None:
        found = read_labs(write("participant_id\thsCRP (mg/L)\tsbp[mmHg]\ns1\t1,5\t120\ns2\t1\n"))
        assert [r.analyte for r in found.rows] == ["sbp"]
        told = [str(p.error) for p in found.problems]
        assert "line 2, column hsCRP (mg/L)" in told[0] and "2 cells under a header of 3" in told[1]

    def test_a_wide_table_is_told_apart_from_a_lacking_column(self, write: Write) -> None:
        with pytest.raises(InputError, match=r"wide: one column per sample.*one row per value: participant_id"):
            read_labs(write("subject,condition,0,1,2\ns1,control,6.9,7.0,5.7\n"))

    def test_a_row_with_everything(self, write: Write) -> None:
        row = read_labs(write(LABS + "s1\thsCRP\t1.2\tmg/l\tserum\t2024-03-01T08:00+01:00\t\tA\n")).rows[0]
        assert (row.analyte, row.value, row.unit, row.assay) == ("hs_crp", 1.2, "mg/L", "A")

    @pytest.mark.parametrize("value", ["<0.2\t", "0.2\t<", "< 0.2\t<", "≤0.2\t"])
    def test_below_the_limit_of_detection(self, write: Write, value: str) -> None:
        cell, operator = value.split("\t")
        table = read_labs(write(LABS + f"s1\ths_crp\t{cell}\tmg/L\t\t\t{operator}\t\n"))
        assert (table.rows[0].value, table.rows[0].operator) == (0.2, "<")
        assert "BELOW_LOD" in [n.code for n in table.notices]

    def test_words_in_place_of_a_value_are_missing_with_a_reason(self, write: Write) -> None:
        table = read_labs(
            write(LABS + "s1\tcortisol\tinsufficient volume\tnmol/L\tsaliva\t\t\t\ns1\tcortisol\t\t\t\t\t\t\n")
        )
        assert [r.missing_reason for r in table.rows] == ["insufficient volume", "empty cell"]
        assert all(math.isnan(r.value) for r in table.rows)

    @pytest.mark.parametrize(
        ("row", "error", "says"),
        [
            ("s2\tcortisol\t5\t\tsaliva\t\t\t", UnitError, "unit is missing"),
            ("s2\tcortisol\t5\tnmol\tsaliva\t\t\t", UnitError, "unknown unit"),
            ("s2\tcortisol\t5\tnmol/L\t\t\t\t", InputError, "needs its specimen"),
            ("s2\tcortisol\t5\tnmol/L\tsalvia\t\t\t", InputError, "unknown specimen"),
            ("s2\tcortisol\t5,2\tnmol/L\tsaliva\t\t\t", InputError, "not a comma"),
            ("s2\tcortisol\t0\tnmol/L\tsaliva\t\t\t", InputError, "above zero"),
            ("s2\tcortisol\t-1\tnmol/L\tsaliva\t\t\t", InputError, "above zero"),
            ("s2\tcortisol\tlots\tnmol/L\tsaliva\t\t\t", InputError, "not a number"),
            ("s2\tcortisol\t<5\tnmol/L\tsaliva\t\t>\t", InputError, "contradict"),
            ("s2\tcortisol\t5\tnmol/L\tsaliva\tyesterday\t\t", InputError, "not a date and time"),
            ("s2\tcortisl\t5\tnmol/L\tsaliva\t\t\t", InputError, "nearest valid: 'cortisol'"),
            ("s2\tcortisol\t5", InputError, "3 cells under a header of 8"),
        ],
    )
    def test_a_bad_row_is_a_problem_of_its_participant_alone(
        self, write: Write, row: str, error: type[Exception], says: str
    ) -> None:
        table = read_labs(write(LABS + "s1\ths_crp\t1\tmg/L\t\t\t\t\n" + row + "\ns3\ths_crp\t2\tmg/L\t\t\t\t\n"))
        assert [r.participant for r in table.rows] == ["s1", "s3"]
        (problem,) = table.problems
        assert (problem.line, problem.participant) == (3, "s2")
        assert isinstance(problem.error, error)
        assert says in str(problem.error)
        assert "table.tsv, line 3" in str(problem.error)

    def test_repeated_row_counts_once(self, write: Write) -> None:
        row = "s1\tcortisol\t5\tnmol/L\tsaliva\t2024-03-01T08:00\t\t\n"
        table = read_labs(write(LABS + row + row))
        assert len(table.rows) == 1
        assert [(n.code, n.first_line) for n in table.notices] == [("DUPLICATE_ROW", 3)]

    def test_unknown_analytes_are_kept_and_noticed(self, write: Write) -> None:
        table = read_labs(write(LABS + "s1\tsodium\t140\tmmol/L\tserum\t\t\t\n"))
        assert table.rows[0].analyte == "sodium"
        assert [n.code for n in table.notices] == ["UNKNOWN_ANALYTE"]

    @pytest.mark.parametrize(
        ("code", "unit", "specimen", "says"),
        [
            ("2142-8", "nmol/L", "saliva", "LOINC code of cortisol and unit contradict"),
            ("51844-9", "nmol/L", "serum", "LOINC code of cortisol and specimen contradict"),
        ],
    )
    def test_loinc_code_unit_and_specimen_must_agree(
        self, write: Write, code: str, unit: str, specimen: str, says: str
    ) -> None:
        table = read_labs(write(LABS + f"s1\t{code}\t5\t{unit}\t{specimen}\t\t\t\n"))
        assert says in str(table.problems[0].error)

    def test_loinc_code_gives_analyte_and_specimen(self, write: Write) -> None:
        row = read_labs(write(LABS + "s1\t51844-9\t5\tnmol/L\t\t\t\t\n")).rows[0]
        assert (row.analyte, row.specimen) == ("cortisol", "saliva")

    @pytest.mark.parametrize("code", ["14715-7", "71892-4"])
    def test_codes_mistaken_for_cortisol_are_other_analytes(self, write: Write, code: str) -> None:
        row = read_labs(write(LABS + f"s1\t{code}\t5\tnmol/L\t\t\t\t\n")).rows[0]
        assert row.analyte in ("estradiol", "cortisone")

    def test_rows_and_problems_travel_to_another_process(self, write: Write) -> None:
        table = read_labs(write(LABS + "s1\ths_crp\t1\tmg/L\t\t\t\t\ns2\ths_crp\t1\t\t\t\t\t\n"))
        again = pickle.loads(pickle.dumps(table))
        assert again.rows == table.rows
        assert str(again.problems[0].error) == str(table.problems[0].error)

    @pytest.mark.parametrize("word", ["ND", "n.d.", "not detected", "BLQ", "< LOD", "below detection limit"])
    def test_not_detected_is_below_the_limit_that_the_row_tells(self, write: Write, word: str) -> None:
        head = LABS.strip() + "\tlod\n"
        table = read_labs(write(head + f"s1\til6\t{word}\tpg/mL\tserum\t\t\t\t0.1\ns2\til6\t{word}\tpg/mL\t\t\t\t\t\n"))
        told, untold = table.rows
        assert (told.value, told.operator) == (0.1, "<")
        assert math.isnan(untold.value)
        assert untold.missing_reason == f"{word}, limit of detection not told"

    def test_a_study_with_several_assays_is_told_so_with_counts(self, write: Write) -> None:
        rows = "".join(f"s{i}\til6\t1.{i}\tpg/mL\tserum\t\t\t{'A' if i < 3 else 'B'}\n" for i in range(5))
        (notice,) = read_labs(write(LABS + rows)).notices
        assert (notice.code, notice.count) == ("SEVERAL_ASSAYS", 5)
        assert notice.message.endswith("A (3 rows), B (2 rows)")

    def test_specimens_of_a_study_are_counted_likewise(self, write: Write) -> None:
        rows = "s1\til6\t1\tpg/mL\tserum\t\t\t\ns2\til6\t1\tpg/mL\tplasma\t\t\t\n"
        assert [n.code for n in read_labs(write(LABS + rows)).notices] == ["SEVERAL_SPECIMENS"]

    def test_an_unknown_analyte_is_kept_and_the_nearest_is_named(self, write: Write) -> None:
        (notice,) = read_labs(write(LABS + "s1\tinterleukin_61\t1\tpg/mL\t\t\t\t\n")).problems or [None]
        assert "nearest valid: 'interleukin_6'" in str(notice.error)  # type: ignore[union-attr]
        (kept,) = read_labs(write(LABS + "s1\tinterleukine_six\t1\tpg/mL\t\t\t\t\n")).notices
        assert kept.code == "UNKNOWN_ANALYTE"
        assert "nearest known: interleukin_6" in kept.message

    def test_glucose_that_is_not_known_to_be_fasting_is_not_used(self, write: Write) -> None:
        (notice,) = read_labs(write(LABS + "s1\t2345-7\t95\tmg/dL\tserum\t\t\t\n")).notices
        assert notice.code == "ANALYTE_UNUSED"
        assert "glucose_fasting" in notice.message


class TestDiary:
    def test_clock_times_and_a_bed_time_after_midnight(self, write: Write) -> None:
        table = read_diary(write("participant_id\tdate\twake_time\tbed_time\ns1\t2024-03-01\t06:50\t00:20\n"))
        (day,) = table.of("s1")
        assert day.wake == parse_instant("2024-03-01T06:50")
        assert day.bed == parse_instant("2024-03-02T00:20")

    def test_bad_rows_are_problems(self, write: Write) -> None:
        table = read_diary(
            write(
                "participant_id\tdate\twake_time\ns1\t2024-03-01\t25:00\ns2\t1.3.2024\t06:00\n"
                "s3\t2024-03-01\t2024-03-02T06:00\ns4\t2024-03-01\t06:00\ns4\t2024-03-01\t07:00\n"
            )
        )
        assert [p.line for p in table.problems] == [2, 3, 4, 6]
        assert [d.participant for d in table.days] == ["s4"]


class TestBloodPressure:
    def test_diastolic_first_is_read_by_name(self, write: Write) -> None:
        table = read_blood_pressure(write("participant_id,measured_at,dia,sys,bpm\ns1,2024-03-01T08:00,80,120,61\n"))
        assert (table.readings[0].sbp, table.readings[0].dbp, table.readings[0].pulse) == (120, 80, 61)

    @pytest.mark.parametrize(("sbp", "dbp"), [("80", "120"), ("100", "100"), ("16", "10"), ("1200", "80")])
    def test_swapped_or_implausible_is_a_problem(self, write: Write, sbp: str, dbp: str) -> None:
        table = read_blood_pressure(write(f"participant_id\tsbp\tdbp\ns1\t{sbp}\t{dbp}\n"))
        assert not table.readings
        assert "line 2" in str(table.problems[0].error)

    def test_failed_reading_is_counted(self, write: Write) -> None:
        table = read_blood_pressure(write("participant_id\tsbp\tdbp\ns1\t-\t-\ns1\t120\t80\n"))
        assert len(table.readings) == 1
        assert [(n.code, n.first_line) for n in table.notices] == [("READING_MISSING", 2)]

    def test_ambulatory_readings_say_so(self, write: Write) -> None:
        head = "participant_id\tsbp\tdbp\tsetting\n"
        table = read_blood_pressure(write(head + "a\t120\t80\tambulatory\na\t120\t80\t\n"))
        assert [r.setting for r in table.readings] == ["ambulatory", ""]
        assert "unknown setting" in str(read_blood_pressure(write(head + "a\t120\t80\tsleep lab\n")).problems[0].error)


class TestBiomarkerTable:
    def test_units_in_parentheses_and_after_underscores_are_units_in_brackets(self, write: Write) -> None:
        bracket = read_biomarker_table(write("participant_id\ths_crp[mg/L]\trmssd_night[ms]\ns1\t1.5\t40\n"))
        other = read_biomarker_table(write("participant_id\ths-CRP (mg/L)\trmssd_night_ms\ns1\t1.5\t40\n"))
        third = read_biomarker_table(write("participant_id\ths_crp_mg_L\trmssd_night (s)\ns1\t1.5\t0.04\n"))
        for table in (other, third):
            assert [(r.biomarker, r.unit) for r in table.rows] == [(r.biomarker, r.unit) for r in bracket.rows]
            assert [r.value for r in table.rows] == pytest.approx([r.value for r in bracket.rows], rel=1e-12)

    @pytest.mark.parametrize(
        "column", ["hs_crp_mg", "hs_crb_mg_L", "hs_crp_nmol_L", "sbp_1", "sbp_dip_1", "hs_crp mg/L"]
    )
    def test_what_does_not_name_marker_and_unit_is_not_guessed(self, write: Write, column: str) -> None:
        with pytest.raises(InputError, match="names its unit"):
            read_biomarker_table(write(f"participant_id\t{column}\ns1\t1\n"))

    def test_long_and_wide_say_the_same(self, write: Write) -> None:
        long = read_biomarker_table(
            write(
                "participant_id\tsex\tage\tbiomarker\tvalue\tunit\ns1\tF\t40\ths_crp\t0.12\tmg/dL\n"
                "s1\tF\t40\tsbp\t120\tmmHg\n"
            )
        )
        wide = read_biomarker_table(
            write("participant_id\tsex\tage\ths_crp[mg/dL]\tsbp[mm[Hg]]\ns1\tF\t40\t0.12\t120\n")
        )
        assert [(r.biomarker, r.value, r.unit) for r in long.rows] == [
            (r.biomarker, r.value, r.unit) for r in wide.rows
        ]
        assert long.persons == wide.persons
        assert long.rows[0].value == pytest.approx(1.2)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("participant_id\ths_crp\ns1\t1\n", "hs_crp[mg/L]"),
            ("participant_id\ths_crb[mg/L]\ns1\t1\n", "nearest valid: 'hs_crp'"),
            ("participant_id\ths_crp[mg]\ns1\t1\n", "unknown unit"),
            ("participant_id\ths_crp[nmol/L]\ns1\t1\n", "cannot be expressed"),
            ("participant_id\tsbp[mmHg]\ns1\t16\n", "UNIT_SUSPECT"),
            ("participant_id\tsex\nx\tF\n", "holds no biomarker"),
            ("participant_id\tbiomarker\tvalue\tunit\ns1\tsbp\t120\tmmHg\ns1\tsbp\t121\tmmHg\n", "lines 2 and 3"),
            ("participant_id\tbiomarker\tvalue\tunit\tfoo\ns1\tsbp\t120\tmmHg\t1\n", "unknown column"),
            (
                "participant_id\tbiomarker\tvalue\tunit\tcontext\ns1\trmssd_night\t40\tms\trest_5min\n",
                "another context",
            ),
            (
                "participant_id\tsex\tbiomarker\tvalue\tunit\ns1\tF\tsbp\t120\tmmHg\ns1\tM\tdbp\t70\tmmHg\n",
                "describe one participant differently",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, write: Write, text: str, says: str) -> None:
        with pytest.raises(InputError) as raised:
            read_biomarker_table(write(text))
        assert says in str(raised.value)
        assert "table.tsv" in str(raised.value)
