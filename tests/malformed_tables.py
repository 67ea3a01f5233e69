"""Malformed tables of the folder of `malformed`: in CSV, in Parquet."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from malformed import (
    a_folder,
    edited,
    fifo,
    linked,
    recoded,
    removed,
    setting,
    sound,
    text,
    then,
)

# ---------------------------------------------------------------- tables in CSV


def cell(name, column, row, value):
    """Write one cell of a CSV file."""

    def damage(folder):
        path = folder / f"{name}.csv"
        head, *rows = csv.reader(path.read_text().splitlines())
        rows[row][head.index(column)] = value
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])

    return damage


def as_parquet(name, change):
    """Put a changed table in Parquet in the CSV file's place."""

    def damage(folder):
        (folder / f"{name}.csv").unlink()
        table = change(getattr(sound(), name).to_arrow())
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet", write_page_checksum=True)

    return damage


def called(name, other):
    def damage(folder):
        (folder / name).rename(folder / other)

    return damage


def both(folder):
    pyarrow.parquet.write_table(sound().jobs.to_arrow(), folder / "jobs.parquet")


HEAD = '"gang","work_h","origin","deadline","value_yuan"'
RUNNING = '"id","klass","hours_left"'

TABLES = {
    "no table": (removed("quotas.csv"), ["neither of quotas.parquet and quotas.csv, needed one"]),
    "no table of quotas, and a tenant far beyond the jobs": (
        then(
            removed("quotas.csv"),
            removed("written.json"),
            text("jobs.csv", f'{HEAD},"tenant"\n1,1.0,0,3,1.0,2000000000\n'),
        ),
        ["jobs.csv: jobs.tenant[0]: found 2000000000, needed below 65536"],
    ),
    **{
        f"quotas by the name {name}": (
            then(removed("written.json"), called("quotas.csv", name)),
            [f"found '{name}', needed quotas.parquet or quotas.csv, or no file of such a name"],
        )
        for name in ("quota.csv", "Quotas.csv", "quotas.CSV", "quotas.csv.gz", "qoutas.parquet")
    },
    "a link to no quotas": (
        then(removed("written.json"), linked("quotas.csv", "nowhere.csv")),
        ["neither of quotas.parquet and quotas.csv, needed one of them"],
    ),
    "running by the name runing.csv": (
        text("runing.csv", f"{RUNNING}\n0,0,1\n"),
        ["found 'runing.csv', needed running.parquet or running.csv, or no file of such a name"],
    ),
    "running jobs that were written": (
        text("written.json", '{"kind": "problem", "files": {"running.csv": ""}}'),
        ["neither of running.parquet and running.csv, needed one of them"],
    ),
    "a running job of no class": (
        text("running.csv", f"{RUNNING}\n0,0,1\n1,9,1\n"),
        ["running.csv: running.klass[1] is 9, needed below", "; line 3"],
    ),
    "a running job of an id": (
        text("running.csv", f"{RUNNING}\n0,0,1\n\nchat,0,1\n"),
        ["running.csv: running.id[1] is 'chat', needed an integer (row of jobs); line 4"],
    ),
    "both formats": (both, ["both of jobs.parquet and jobs.csv, needed one of them"]),
    "empty": (text("jobs.csv", ""), ["jobs.csv: is empty, needed a header"]),
    "only line feeds": (text("jobs.csv", "\n\n"), ["jobs.csv: is empty, needed a header"]),
    "a column less": (edited("jobs.csv", '"work_h"', '"work_hours"'), ["jobs", "'work_h"]),
    "an unknown column": (
        text("jobs.csv", f'{HEAD},"colour"\n1,1.0,0,3,1.0,red\n'),
        ["jobs.csv: jobs has no column 'colour'; it has gang, work_h"],
    ),
    "a column twice": (
        text("jobs.csv", f'{HEAD},"gang"\n1,1.0,0,3,1.0,2\n'),
        ["jobs.csv: found 2 columns called 'gang', needed one"],
    ),
    "a place twice": (
        edited("classes.csv", '"capacity[1]"', '"capacity[00]"'),
        ["classes.csv: classes.capacity[00]: found a second column of that place", "capacity[0]'"],
    ),
    "a place left out": (
        edited("classes.csv", '"capacity[1]"', '"capacity[7]"'),
        ["classes.csv: classes.capacity: 3 columns capacity[...], needed all (8,)"],
    ),
    "places of two forms": (
        edited("classes.csv", '"capacity[1]"', '"capacity"'),
        ["classes.csv: classes.capacity: found columns 'capacity[0]' and 'capacity'"],
    ),
    "a place of another form at the end": (
        edited("classes.csv", '"capacity[2]"', '"capacity"'),
        ["classes.csv: classes.capacity: found columns 'capacity[0]' and 'capacity'"],
    ),
    "a place of no name": (
        edited("classes.csv", '"throughput[0]"', '"throughput[chat]"'),
        ["classes.csv: classes has no column 'throughput[chat]'; it has ", "throughput\n"],
    ),
    "a place of many digits": (
        edited("classes.csv", '"capacity[1]"', f'"capacity[{"9" * 5000}]"'),
        ["classes.csv: classes has no column 'capacity[999"],
    ),
    "a row too long": (
        text("jobs.csv", f"{HEAD}\n1,1.0,0,3,1.0\n1,1.0,0,3,1.0,9\n"),
        ["jobs.csv: found 6 cells in row 1 (line 3), needed CSV with 5", "'1,1.0,0,3,1.0,9'"],
    ),
    "a row too short": (
        text("jobs.csv", f"{HEAD}\n1,1.0,0,3,1.0\n1,1.0,0\n"),
        ["jobs.csv: found 3 cells in row 1 (line 3), needed CSV with 5", "'1,1.0,0'"],
    ),
    "an open quote": (text("jobs.csv", f'{HEAD}\n1,1.0,"0,3,1.0\n'), ["jobs.csv: ", "needed CSV"]),
    "an open quote that the next text closes": (
        text(
            "jobs.csv",
            f'{HEAD},"id"\n1,1.0,0,3,1.0,"a"\n1,1.0,0,3,1.0,"b\n2,1.0,0,3,1.0,"c"\n1,1.0,0,3,1.0,"d"\n',
        ),
        ["jobs.csv: found text behind a closing quote in the row of line 3, needed CSV with each"],
    ),
    "names in latin-1": (
        recoded("sites.csv", "latin-1", "South", "Süd"),
        ["sites.csv: found 0xfc in line 3, needed UTF-8"],
    ),
    "indices in latin-1": (
        then(
            cell("jobs", "origin", 2, "Süd"),
            recoded("jobs.csv", "latin-1"),
        ),
        ["jobs.csv: jobs.origin: found b'S\\xfcd' in row 2, needed UTF-8"],
    ),
    "heads in latin-1": (recoded("jobs.csv", "latin-1", "gang", "gäng"), ["jobs.csv: ", "UTF-8"]),
    "UTF-16": (recoded("jobs.csv", "utf-16"), ["jobs.csv: "]),
    "zeros": (text("jobs.csv", bytes(4096)), ["jobs.csv: "]),
    "a binary": (text("jobs.csv", bytes(range(256)) * 40), ["jobs.csv: "]),
    "Parquet by the name of CSV": (
        lambda f: pyarrow.parquet.write_table(sound().jobs.to_arrow(), f / "jobs.csv"),
        ["jobs.csv: "],
    ),
    "text for a number": (
        cell("jobs", "work_h", 2, "long"),
        ["jobs.csv: jobs.work_h[2] is 'long'", "needed a number"],
    ),
    "half an accelerator": (
        cell("jobs", "gang", 1, "1.5"),
        ["jobs.csv: jobs.gang[1] is 1.5", "needed an integer", "; line 3"],
    ),
    **{
        f"{value} among integers": (
            cell("jobs", "gang", 1, value),
            [f"jobs.csv: jobs.gang[1] is '{value}', needed an integer (accelerators); line 3"],
        )
        for value in ("1.0", "1.", "1E0", "+1", "1e19", "9223372036854775808", "1_000")
    },
    "1_0 among numbers": (
        cell("jobs", "value_yuan", 1, "1_0"),
        ["jobs.csv: jobs.value_yuan[1] is '1_0', needed a number (yuan); line 3"],
    ),
    "8.0 among integers by the hour": (
        cell("classes", "capacity[2]", 1, "8.0"),
        ["classes.csv: classes.capacity[2][1] is '8.0', needed an integer (accelerators); line 3"],
    ),
    "a region of no name among numbers": (
        then(
            setting("sites.region_names", ["west", "east"]),
            cell("sites", "region", 1, "Nowhere"),
        ),
        ["sites.csv: sites.region[1] is 'Nowhere', needed one of west, east; line 3"],
    ),
    "an empty cell": (
        cell("jobs", "work_h", 3, ""),
        ["jobs.csv: jobs.work_h[3] is null, needed a value"],
    ),
    "a NaN": (cell("jobs", "value_yuan", 0, "nan"), ["jobs.csv: jobs.value_yuan[0] is null"]),
    "an inf": (cell("jobs", "value_yuan", 0, "inf"), ["jobs.csv: jobs.value_yuan[0] is inf"]),
    **{
        f"{value} in {name}.{column}": (cell(name, column, 0, value), [words])
        for name, column, value, words in (
            ("jobs", "work_h", "0", "jobs.work_h[0] is 0.0, needed a finite number > 0"),
            ("sites", "pue", "nan", "sites.pue[0] is null, needed a value"),
            ("classes", "memory_gb", "-1", "classes.memory_gb[0] is -1.0, needed a finite number"),
            ("energy", "tariff_yuan_per_kwh[1]", "nan", "energy.tariff_yuan_per_kwh[1][0] is null"),
            ("energy", "battery_kwh", "-1", "energy.battery_kwh[0] is -1.0, needed a finite"),
            ("corridors", "delay_ms[0]", "nan", "corridors.delay_ms[0][0] is null"),
            ("quotas", "upper_accelerator_h", "nan", "quotas.upper_accelerator_h[0] is null"),
        )
    },
    "no accelerator": (cell("jobs", "gang", 1, "0"), ["jobs.csv: jobs.gang[1] is 0, needed", "1"]),
    "too many accelerators": (
        cell("jobs", "gang", 1, "4294967297"),
        ["jobs.csv: jobs.gang[1] is 4294967297, too large for int32", "needed -2147483648 to"],
    ),
    "more than 64 bits": (
        cell("jobs", "gang", 1, "99999999999999999999"),
        ["jobs.csv: jobs.gang[", "needed an integer"],
    ),
    "a date": (
        cell("jobs", "release", 0, "2026-01-01"),
        ["jobs.csv: jobs.release[0] is '2026-01-01'"],
    ),
    "an unknown site": (
        cell("jobs", "origin", 1, "West"),
        ["jobs.csv: jobs.origin[1] is 'West', needed one of North, South, or an index; line 3"],
    ),
    "a misspelt site of a job with an id": (
        text("jobs.csv", f'{HEAD},"id"\n1,1.0,0,3,1.0,"a"\n\n1,1.0,Suoth,3,1.0,"b\nc"\n'),
        ["jobs.origin[1] is 'Suoth'", "did you mean 'South'?; line 4, job b"],
    ),
    "a misspelt site in a residency": (
        cell("jobs", "residency", 1, "Sout"),
        ["jobs.residency[1] is 'Sout'", "did you mean 'South'?; line 3"],
    ),
    "a column of another table": (
        edited("sites.csv", '"region"', '"battery_kwh"'),
        ["sites.csv: sites has no column 'battery_kwh'", "battery_kwh is a column of energy"],
    ),
    "an unknown column of quotas": (
        edited("quotas.csv", '"upper_accelerator_h"', '"uper_accelerator_h"'),
        [
            "quotas has no column 'uper_accelerator_h'",
            ", name; did you mean 'upper_accelerator_h'?",
        ],
    ),
    "a site's index too large": (
        then(cell("jobs", "origin", 0, "North"), cell("jobs", "origin", 1, "99999999999")),
        ["jobs.csv: jobs.origin[1] is '99999999999', needed one of"],
    ),
    "a site beyond the last": (
        cell("jobs", "origin", 1, "2"),
        ["jobs.csv: jobs.origin[1] is 2, needed below 2, the size of sites"],
    ),
    "a family beyond the last": (
        cell("jobs", "family", 1, "5"),
        ["jobs.csv: jobs.family[1] is 5, needed below 2"],
    ),
    "a tenant beyond the last": (cell("jobs", "tenant", 0, "1"), ["jobs.csv: jobs.tenant[0] is 1"]),
    "no window": (cell("jobs", "release", 0, "3"), ["jobs.csv: jobs.deadline[0] is 3"]),
    "yes for true": (
        cell("sites", "new", 0, "yes"),
        ["sites.csv: sites.new[0] is 'yes', needed true"],
    ),
    "a name twice": (cell("sites", "name", 1, "North"), ["sites.csv: sites.name[1] is North"]),
    "no site": (text("sites.csv", "name\n"), ["sites.csv: sites has 0 rows, needed at least 1"]),
    "64 sites": (
        text("sites.csv", "name\n" + "".join(f"s{i}\n" for i in range(64))),
        ["sites.csv: sites has 64 rows, needed at most 63"],
    ),
    "another number of sites": (
        text("sites.csv", "name\nNorth\nSouth\nWest\n"),
        ["has shape", "needed 3, the size of sites"],
    ),
    "no corridor": (
        lambda f: text("corridors.csv", (f / "corridors.csv").read_text().rsplit("\n", 2)[0])(f),
        ["corridors.csv: corridors.", "has shape (1, 2"],
    ),
    "a negative capacity": (
        cell("classes", "capacity[2]", 1, "-1"),
        ["classes.csv: classes.capacity[1, 2] is -1, needed an integer >= 0"],
    ),
    "an efficiency of 0": (
        cell("energy", "charge_efficiency", 1, "0"),
        ["energy.csv: energy.char"],
    ),
    "a lower above the upper": (
        then(
            cell("quotas", "upper_accelerator_h", 0, "5.0"),
            cell("quotas", "lower_accelerator_h", 0, "6.0"),
        ),
        ["quotas.csv: quotas.lower_accelerator_h[0] is 6"],
    ),
    "semicolons": (
        lambda f: (f / "jobs.csv").write_text((f / "jobs.csv").read_text().replace(",", ";")),
        ["jobs.csv: jobs has no column", "names joined by ';', needed commas between them"],
    ),
    "a head of capitals": (
        edited("jobs.csv", '"gang"', '"Gang"'),
        ["jobs.csv: jobs has no column 'gang'", "found a column 'Gang', which it does not know"],
    ),
    "a misspelt head beside ids": (
        text("jobs.csv", f'{HEAD},"id"\n1,1.0,0,3,1.0,"a"\n'.replace("work_h", "work_hours")),
        ["jobs.csv: jobs has no column 'work_h'", "found a column 'work_hours'"],
    ),
    "a misspelt head of an optional column": (
        text("jobs.csv", f'{HEAD},"tennant"\n1,1.0,0,3,1.0,0\n'),
        [
            "jobs.csv: jobs has no column 'tennant'; it has gang, work_h",
            "restart_yuan, id; did you mean 'tenant'?",
        ],
    ),
    "a release after the deadline": (
        text("jobs.csv", f'{HEAD},"release"\n1,1.0,0,3,1.0,5\n'),
        ["jobs.csv: jobs.deadline[0] is 3, needed an hour after the job's release, 5"],
    ),
    "a head with a space": (
        edited("jobs.csv", '"gang"', '" gang"'),
        ["jobs.csv: jobs has no column 'gang'", "found a column ' gang'"],
    ),
    "a line of comment": (
        lambda f: (f / "jobs.csv").write_text("# mine\n" + (f / "jobs.csv").read_text()),
        ["jobs.csv: found ", " cells in row 0 (line 2), needed CSV with 1"],
    ),
    "a decimal comma": (
        cell("jobs", "work_h", 1, "1,5"),
        ["jobs.csv: jobs.work_h[1] is '1,5'", "needed a number (hours on a reference"],
    ),
    "a unit in the cell": (
        cell("classes", "power_kw", 0, "0.4 kW"),
        ["classes.csv: classes.power_kw[0] is '0.4 kW'", "needed a number (kW per"],
    ),
    "a percent sign": (
        cell("energy", "charge_efficiency", 1, "95%"),
        ["energy.csv: energy.charge_efficiency[1] is '95%'", "needed a number"],
    ),
    "percent for a factor": (
        cell("energy", "charge_efficiency", 1, "95"),
        ["energy.csv: energy.charge_efficiency[1] is 95.0, needed", "<= 1"],
    ),
    "a word for no limit": (
        cell("quotas", "upper_accelerator_h", 0, "none"),
        ["quotas.csv: quotas.upper_accelerator_h[0] is 'none'", "needed a number"],
    ),
    "whole numbers with an exponent": (
        cell("jobs", "gang", 0, "1e0"),
        ["jobs.csv: jobs.gang[0] is '1e0'", "needed an integer (accelerators)"],
    ),
    "digits of another script": (
        cell("jobs", "gang", 0, "\uff11"),
        ["jobs.csv: jobs.gang[0] is '\uff11'", "needed an integer (accelerators)"],
    ),
    "names in GB18030": (
        recoded("sites.csv", "gb18030", "South", "\u54c8\u5bc6"),
        ["sites.csv: found 0xb9 in line 3, needed UTF-8"],
    ),
    "no name": (cell("sites", "name", 0, ""), ["sites.csv: sites.name[0] is '', needed a name"]),
    "a PUE below 1": (
        cell("sites", "pue", 1, "0.9"),
        ["sites.csv: sites.pue[1] is 0.9, needed a finite number >= 1"],
    ),
    "a latitude that is none": (
        cell("sites", "latitude", 0, "123"),
        ["sites.csv: sites.latitude[0] is 123.0, needed", "<= 90 (degrees north)"],
    ),
    "a negative minimum load": (
        cell("sites", "minimum_load_kw", 1, "-1"),
        ["sites.csv: sites.minimum_load_kw[1] is -1.0, needed a finite number >= 0", "(kW)"],
    ),
    "a negative ramp": (
        cell("sites", "ramp_up_kw", 0, "-1"),
        ["sites.csv: sites.ramp_up_kw[0] is -1.0, needed inf or a number >= 0", "(kW)"],
    ),
    "negative work": (
        cell("jobs", "work_h", 1, "-1"),
        ["jobs.csv: jobs.work_h[1] is -1.0, needed a finite number > 0"],
    ),
    "a negative latency": (
        cell("jobs", "latency_ms", 1, "-1"),
        ["jobs.csv: jobs.latency_ms[1] is -1.0, needed inf or a number >= 0", "(ms)"],
    ),
    "a residency of commas": (
        cell("jobs", "residency", 1, "North,South"),
        ["jobs.csv: jobs.residency[1] is 'North,South', needed one of North, South, joined by"],
    ),
    "a residency of nowhere": (
        cell("jobs", "residency", 1, "0"),
        ["jobs.csv: jobs.residency[1] is 0, needed at least one site's bit set"],
    ),
    "an unknown accelerator": (
        cell("classes", "accelerator", 0, "B200"),
        ["classes.csv: classes.accelerator[0] is 'B200', needed one of A800, H20"],
    ),
    "a site too few in energy": (
        lambda f: text("energy.csv", (f / "energy.csv").read_text().rsplit("\n", 2)[0])(f),
        ["energy.csv: energy.", "has shape (1, 1", "needed 2, the size of sites"],
    ),
    "a time between two hours": (
        then(
            setting("start", "2026-03-01T00:00+08:00"),
            cell("jobs", "release", 0, "2026-03-01T00:30+08:00"),
        ),
        ["jobs.csv: jobs.release[0] is '2026-03-01T00:30+08:00', needed the number of an hour"],
    ),
    "a spreadsheet": (
        lambda f: (f / "jobs.csv").rename(f / "jobs.xlsx"),
        ["neither of jobs.parquet and jobs.csv, needed one of them"],
    ),
    "a FIFO": (fifo("jobs.csv"), ["jobs.csv: found a FIFO, needed a regular file"]),
    "a device": (linked("jobs.csv", "/dev/zero"), ["jobs.csv: found a device, needed a regular"]),
    "a folder": (a_folder("jobs.csv"), ["jobs.csv: found a folder, needed a regular file"]),
    "a link to nothing": (linked("jobs.csv", "nowhere"), ["neither of jobs.parquet and jobs.csv"]),
    "CSV by the name of Parquet": (
        lambda f: (f / "jobs.csv").rename(f / "jobs.parquet"),
        ["jobs.parquet: found no footer, needed Parquet"],
    ),
}

# ---------------------------------------------------------------- tables in Parquet


def column(name, values):
    """A change that puts other values into a column."""

    def change(table):
        array = values if isinstance(values, pa.Array) else pa.array(values)
        return table.set_column(table.column_names.index(name), name, array)

    return change


def bytes_of(change):
    """The jobs in Parquet, the bytes of the file changed."""

    def damage(folder):
        (folder / "jobs.csv").unlink()
        path, table = folder / "jobs.parquet", sound().jobs.to_arrow()
        plain = {"compression": "none", "use_dictionary": False}
        pyarrow.parquet.write_table(table, path, write_page_checksum=True, **plain)
        path.write_bytes(change(path.read_bytes()))

    return damage


def flipped(data):
    """A bit of the first page's values."""
    at = data.index(np.array([1.0, 2.0, 1.5, 0.5]).tobytes()[:8])
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def bomb(folder):
    """A gigabyte and a half of equal values in some hundred kilobytes."""
    (folder / "jobs.csv").unlink()
    group = pa.table({"gang": pa.array(np.ones(1_000_000, np.int32))})
    with pyarrow.parquet.ParquetWriter(folder / "jobs.parquet", group.schema) as writer:
        for _ in range(200):
            writer.write_table(group)


def text_bomb(folder):
    """One text of a megabyte, in two thousand rows by reference."""
    (folder / "sites.csv").unlink()
    names = pa.DictionaryArray.from_arrays(np.zeros(2_000, np.int32), ["x" * 1_000_000])
    pyarrow.parquet.write_table(pa.table({"name": names}), folder / "sites.parquet")


PARQUET = {
    "cut short": (bytes_of(lambda data: data[:-20]), ["jobs.parquet: found", "needed Parquet"]),
    "empty": (bytes_of(lambda _: b""), ["jobs.parquet: found", "needed Parquet"]),
    "only the magic": (bytes_of(lambda _: b"PAR1PAR1"), ["jobs.parquet: found", "needed Parquet"]),
    "a footer too long": (
        bytes_of(lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1"),
        ["jobs.parquet: found", "needed Parquet"],
    ),
    "a footer of zeros": (
        bytes_of(lambda data: data[:-200] + bytes(192) + data[-8:]),
        ["jobs.parquet: found", "needed Parquet"],
    ),
    "a bit flipped": (bytes_of(flipped), ["jobs.parquet: found", "needed Parquet"]),
    "a column twice": (
        as_parquet("jobs", lambda t: t.append_column("gang", t["gang"])),
        ["jobs.parquet: found 2 columns called 'gang', needed one"],
    ),
    "a null": (
        as_parquet("jobs", column("gang", pa.array([1, None, 1, 1], pa.int32()))),
        ["jobs.parquet: jobs.gang[1] is null, needed a value"],
    ),
    "text": (
        as_parquet("jobs", column("gang", ["1", "2", "x", "1"])),
        ["jobs.parquet: jobs.gang[2] is 'x'", "needed an integer"],
    ),
    "decimals": (
        as_parquet("jobs", column("gang", pa.array([1, 2, 1, 1]).cast(pa.decimal128(38, 2)))),
        ["jobs.parquet: jobs.gang[", "needed an integer"],
    ),
    "structs": (
        as_parquet("jobs", column("gang", [{"a": 1}] * 4)),
        ["jobs.parquet: jobs.gang[", "needed an integer"],
    ),
    "times": (
        as_parquet("jobs", column("release", pa.array([0, 0, 0, 0]).cast(pa.timestamp("s")))),
        ["jobs.parquet: jobs.release[", "needed an integer"],
    ),
    "bytes": (
        as_parquet("jobs", column("origin", [b"\xff", b"a", b"b", b"c"])),
        ["jobs.parquet: "],
    ),
    "lists of two lengths": (
        as_parquet("classes", column("capacity", [[4, 4, 4], [4, 4], [4, 4, 4]])),
        ["classes.parquet: classes.capacity[1] is a list of 2, needed 3"],
    ),
    "a null in a list": (
        as_parquet("classes", column("capacity", [[4, 4, 4], [4, None, 4], [4, 4, 4]])),
        ["classes.parquet: classes.capacity", "needed"],
    ),
    "lists for numbers": (
        as_parquet("jobs", column("gang", [[1], [2], [1], [1]])),
        ["jobs.parquet: jobs.gang has shape (4, 1)"],
    ),
    "a bomb of values": (bomb, ["jobs.parquet: found 200000000 rows", "needed values of at most"]),
    "a bomb of text": (text_bomb, ["sites.parquet: found a column of 2000000000 bytes of text"]),
}
