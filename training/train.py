"""Trains a network of the mana-live family on segments made by training.data.

    python3 -m training.train --config training/configs/mana-nano-x2.yaml --segments SEGMENTS --run RUN

Runs the stages of the configuration one after another, or the one that --stage names. RUN gets `log.jsonl` (a line a
measurement), `last.pt` (everything a resumed run needs: weights, EMA, optimiser, step, configuration) and
`<name>.pt` + `<name>.json`: the EMA's weights and settings, what export and evaluate read. The same command goes on where a
run stopped, to the step: samples are drawn from the seed and the step alone. A run is saved every few minutes, and when it
is told to stop (SIGTERM, Ctrl-C). On a GPU, --loaders threads prepare the samples of the next steps.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from .loop import LastLine, Samples, Stop, alone
from .measure import Measure
from .networks import WINDOW, ManaLive, Settings, save
from .segments import Segments

DEFAULTS = {
    "steps": 10000,
    "batch": 8,  # sequences a step
    "frames": 7,  # of each, the first one a stream's first
    "outputs": 2,  # of them that are upscaled
    "patch": 48,  # low-resolution pixels
    "rate": 1e-3,  # Adam's, after 100 warm-up steps; falls to 0 by a half cosine
    "old": 0.2,  # factor of the rate for weights that a network was started from
    "codec": 0.5,  # part of the samples that a codec has been through
    "guide": 0.0,  # weight of the colour rebuilt by attention in the loss, falling to 0 at half of the steps
    "short": 0.3,  # part of the steps with a lookahead of 0, 1 or 2 frames
    "still": 0.0,  # part of the samples that come to rest
    "pan": 0.0,  # part of the samples seen by a camera that pans by up to 16 pixels of the truth a frame
    "damp": 1.0,  # factor of the recurrence's weights at the start of the stage
}
SAMPLE = ("batch", "frames", "patch", "codec", "still", "pan")
WARM_UP = 100
EMA = 0.999
CLIP = 0.5  # norm of the gradient
EVERY = 500  # steps between measurements
SAVE_SECONDS = 120  # between checkpoints


LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def charbonnier(error):
    """A smooth L1 of an error [..., 3, h, w], half of it on luma: where people look, and where PSNR is measured."""
    error = error.float()
    luma = (error * LUMA.to(error.device)).sum(-3)
    return 0.5 * sum(torch.sqrt(part.square() + 1e-6).mean() for part in (error, luma))


def plan(config, number):
    """What must stay while a run goes on: the network, every setting of the stages so far, the seed."""
    return {
        "network": config["network"],
        "stages": [DEFAULTS | stage for stage in config["stages"][: number + 1]],
        "seed": config.get("seed", 1),
    }


def plan_of(state):
    """The plan that a checkpoint was made by. What older ones do not hold is taken to be today's defaults."""
    made = state.get("plan") or plan(state["config"], state["stage"])
    return made | {"stages": [DEFAULTS | stage for stage in made["stages"]]}


def rate_at(step, stage):
    """Adam's rate at a step of a stage."""
    done = step / stage["steps"]
    return stage["rate"] * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * min(1.0, done)))


def moved_blocks(state, encoder_blocks):
    """A state dict whose residual blocks are the encoder's up to `encoder_blocks`, and then the decoder's."""
    before = len({name.split(".")[1] for name in state if name.startswith("enc.")})

    def moved(name):
        part, *rest = name.split(".")
        if part not in ("enc", "dec"):
            return name
        number = int(rest[0]) + (before if part == "dec" else 0)
        place = ["enc", number] if number < encoder_blocks else ["dec", number - encoder_blocks]
        return ".".join(map(str, [*place, *rest[1:]]))

    return {moved(name): value for name, value in state.items()}


class Run:
    """One stage of training: state that can be saved and taken up again."""

    def __init__(self, config, number, segments, folder, threads, device="cpu", loaders=0):
        torch.set_num_threads(threads)
        self.config, self.number, self.device, self.loaders = config, number, device, loaders
        self.plan = plan(config, number)
        self.stage, self.seed = self.plan["stages"][-1], self.plan["seed"]
        torch.manual_seed(self.seed)
        self.folder = Path(folder)
        self.network = ManaLive(Settings.of(config["network"])).to(device)
        self.ema = copy.deepcopy(self.network).eval()
        self.optimiser = self.adam([])
        self.segments = Segments(segments, "train", self.network.settings.scale)
        self.step, self.seconds = 0, 0.0

    def start_from(self, state, strict=False):
        """Weights of another network; what is missing or has another shape keeps its initial values.

        Residual blocks are taken in their order, wherever its encoder ended.
        """
        own = self.network.state_dict()
        state = moved_blocks(state, self.network.settings.encoder_blocks)
        fits = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
        print(f"starts from {len(fits)} of {len(own)} tensors")
        if len(fits) < len(own):
            self.optimiser = self.adam(list(fits))
        self.network.load_state_dict(fits if strict else own | fits)
        if self.network.settings.recurrent:
            self.network.past.weight.data *= self.stage["damp"]
        self.ema.load_state_dict(self.network.state_dict())

    def adam(self, old):
        """Adam with two groups: new weights, and those whose names are in `old`."""
        self.old = old
        named = list(self.network.named_parameters())
        groups = [
            {"params": [p for name, p in named if name not in old], "factor": 1.0},
            {"params": [p for name, p in named if name in old], "factor": self.stage["old"]},
        ]
        return torch.optim.Adam([g for g in groups if g["params"]], betas=(0.9, 0.99))

    def state(self):
        return {
            "config": self.config, "plan": self.plan, "stage": self.number,
            "step": self.step, "seconds": self.seconds,
            "network": self.network.state_dict(), "ema": self.ema.state_dict(),
            "old": self.old, "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip

    def resume(self, state):
        theirs = plan_of(state)
        if changed := ", ".join(what for what, ours in self.plan.items() if ours != theirs[what]):
            raise SystemExit(f"The run was started with another configuration ({changed}): give it another folder.")
        self.step, self.seconds = state["step"], state["seconds"]
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser = self.adam(state["old"])
        self.optimiser.load_state_dict(state["optimiser"])

    def save(self):
        save(self.folder / self.network.settings.name, self.ema)
        part = self.folder / "last.part"
        torch.save(self.state(), part)
        part.replace(self.folder / "last.pt")

    def prepare(self, step):
        """The samples of a step, which its number alone decides: low, truth of the outputs, centres, lookahead."""
        stage, rng = self.stage, np.random.default_rng((self.seed, self.number, step))
        low, truth = self.segments.sample(rng, *(stage[name] for name in SAMPLE))
        # All but the first: a stream is long.
        centres = np.sort(rng.choice(np.arange(1, stage["frames"]), stage["outputs"], replace=False))
        lookahead = int(rng.integers(0, 3)) if rng.random() < stage["short"] else WINDOW // 2
        return low, truth[:, centres], torch.from_numpy(centres), lookahead

    def train_step(self, samples=None):
        stage = self.stage
        low, truth, centres, lookahead = samples or self.prepare(self.step)
        low, truth = (x.to(self.device, non_blocking=True) for x in (low, truth))
        guide = stage["guide"] * max(0.0, 1 - 2 * self.step / stage["steps"])
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16):
            out, mismatch = self.network.stream(low, centres, lookahead, guided=guide > 0)
        loss = charbonnier(out - truth) + guide * mismatch
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, stage) * group["factor"]
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            keep = min(EMA, self.step / (self.step + 10))
            for mean, value in zip(self.ema.state_dict().values(), self.network.state_dict().values()):
                mean.lerp_(value, 1 - keep)
        return loss.detach()

    def train(self, measure, stop):
        """Goes on to the end of the stage, or until `stop` says so: then it is saved, and False comes back."""
        log, losses, began, saved = LastLine(self.folder / "log.jsonl"), [], time.time(), time.time()
        steps = self.stage["steps"]

        def keep():
            nonlocal began, saved
            self.seconds += time.time() - began
            self.save()
            began = saved = time.time()

        with Samples(self.prepare, range(self.step, steps), self.loaders) as samples:
            while True:
                due = self.step and (self.step % EVERY == 0 or self.step == steps)
                if due and log.at != (self.number, self.step):
                    keep()
                    scores = measure(self.ema) if measure else {}
                    line = {"stage": self.number, "step": self.step, "seconds": round(self.seconds), **scores}
                    if losses:
                        line["loss"] = round(float(torch.stack(losses).mean()), 5)
                    log.write(line)
                    losses, began = [], time.time()
                if self.step == steps:
                    return True
                if stop():
                    keep()
                    return False
                losses.append(self.train_step(next(samples)))
                if time.time() - saved > SAVE_SECONDS:
                    keep()


def train(config, segments, folder, vid4=None, stage=None, threads=1, device="cpu", loaders=0, stop=lambda: False):
    """Runs the stages of a configuration, or goes on with them; see the top of this file. -> whether it came to the end."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "log.jsonl"):
        last = folder / "last.pt"
        saved = torch.load(last, map_location="cpu") if last.exists() else None
        if stage:
            check_before(saved, stage)
        measure = Measure(segments, config["network"]["scale"], vid4)
        for number in range(len(config["stages"])) if stage is None else [stage]:
            if saved and saved["stage"] > number:
                continue
            run = Run(config, number, segments, folder, threads, device, loaders)
            if saved and saved["stage"] == number:
                run.resume(saved)
            elif saved:
                run.start_from(saved["ema"], strict=True)
            elif "start" in config:
                run.start_from(torch.load(config["start"], map_location="cpu"))
            if not run.train(measure, stop):
                return False
            saved = run.state()
    return True


def check_before(saved, stage):
    """Refuses to run a stage on what is not the end of the one before it."""
    if not saved or saved["stage"] < stage - 1:
        raise SystemExit(f"Stage {stage} goes on from stage {stage - 1}, which this run has not begun: run that first.")
    if saved["stage"] == stage - 1:
        step, steps = saved["step"], plan_of(saved)["stages"][-1]["steps"]
        if step < steps:
            raise SystemExit(f"Stage {stage} goes on from the end of stage {stage - 1}, which is at step {step} of {steps}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="YAML file: network, stages, and the weights (.pt) it starts from")
    parser.add_argument("--segments", required=True, help="folder written by training.data")
    parser.add_argument("--run", required=True, help="folder of this run")
    parser.add_argument("--stage", type=int, help="number of the one stage to run, from 0; default: all")
    parser.add_argument("--vid4", help="folder of Vid4, to measure with while training")
    parser.add_argument("--threads", type=int, default=1, help="one process a core is faster than two threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--loaders", type=int, default=0, help="threads that prepare samples ahead; for a GPU, 4 to 8")
    parser.add_argument("--child", action="store_true", help="stop when the process that started this one has ended")
    given = parser.parse_args()
    config = yaml.safe_load(Path(given.config).read_text())
    stop = Stop(given.child)
    work = (given.vid4, given.stage, given.threads, given.device, given.loaders, stop)
    if not train(config, given.segments, given.run, *work):
        print("Stopped and saved: the same command goes on from here.", flush=True)


if __name__ == "__main__":
    main()
