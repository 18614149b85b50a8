"""A Slurm of one machine for tests: this file under the names sbatch, srun, squeue, sacct and scontrol.

FAKE_SLURM is its folder: NUMBER.sh is what was handed in, ID.running a job that has not ended, ID.requeue one that shall begin
again, ID.state how it ended.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ.get("FAKE_SLURM", "."))


def sbatch(script: str) -> None:
    if (HOME / "refuses").exists():
        sys.exit("sbatch: error: invalid partition specified: nowhere")
    number = str(100 + len(list(HOME.glob("*.sh"))))
    text = Path(script).read_text()
    (HOME / f"{number}.sh").write_text(text)
    array = re.search(r"#SBATCH --array=0-(\d+)", text)
    for index in range(int(array[1]) + 1 if array else 1):
        job = f"{number}_{index}" if array else number
        (HOME / f"{job}.running").touch()
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fake_slurm.py"), "run", job],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # sbatch is waited for until nobody holds its pipes
        )
    print(f"Submitted batch job {number}")


def run(job: str) -> None:
    number, _, index = job.partition("_")
    environment = {**os.environ, "SLURM_JOB_ID": number, "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    if index:
        environment |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index}
    while True:
        code = subprocess.run(["bash", str(HOME / f"{number}.sh")], env=environment).returncode
        if not (HOME / f"{job}.requeue").exists():
            break
        (HOME / f"{job}.requeue").unlink()
    (HOME / f"{job}.state").write_text("COMPLETED" if code == 0 else "FAILED")
    (HOME / f"{job}.running").unlink()


def srun(arguments: list[str]) -> None:
    while arguments[0].startswith("--"):
        option, *arguments = arguments
        if option in ("--output", "--error"):
            path, *arguments = arguments
            for code, name in (("%A", "SLURM_ARRAY_JOB_ID"), ("%a", "SLURM_ARRAY_TASK_ID"), ("%j", "SLURM_JOB_ID")):
                path = path.replace(code, os.environ.get(name, ""))
            stream = os.open(path.replace("%t", "0"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(stream, 1 if option == "--output" else 2)
    os.execvp(arguments[0], arguments)


def main(name: str, arguments: list[str]) -> None:
    if name == "sbatch":
        sbatch(arguments[0])
    elif name == "run":
        run(arguments[0])
    elif name == "srun":
        srun(arguments)
    elif name == "squeue":
        print(*(path.stem for path in HOME.glob("*.running")), sep="\n")
    elif name == "sacct":
        print("JobID|State|NodeList")
        for path in HOME.glob("*.state"):
            print(f"{path.stem}|{path.read_text()}|here")
    elif name == "scontrol":
        (HOME / f"{arguments[1]}.requeue").touch()


if __name__ == "__main__":
    names = [Path(sys.argv[0]).stem, *sys.argv[1:]]
    main(*((names[1], names[2:]) if names[0] == "fake_slurm" else (names[0], names[1:])))
