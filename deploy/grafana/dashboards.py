#!/usr/bin/env python3
"""Writes dashboards/run.json and dashboards/pipeline.json.

The panels stand here, a line or two each; the JSON that Grafana wants is made
of them and committed, so that nobody needs this file to use it.  A test runs it
and compares, and asks a real Prometheus for every query.

A query names its series bare; the selectors that every panel has ($job, and
$instance where there are many) are added.
"""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Series with one instance for each actor or process.
BY_INSTANCE = ("aha_rollout_", "aha_actor_", "process_")


def selected(query):
    """The query with its selectors."""

    def add(match):
        name, inner = match.group(1), match.group(3)
        matchers = ['job="$job"']
        if name.startswith(BY_INSTANCE):
            matchers.append('instance=~"$instance"')
        if inner:
            matchers.append(inner)
        return name + "{" + ", ".join(matchers) + "}"

    return re.sub(r"\b((?:job:)?(?:aha|process)_\w+(?::\w+)?)(\{([^}]*)\})?",
                  add, query)


def panel(kind, title, unit, queries, about, **more):
    """One panel.  queries: legend -> PromQL; `{{label}}` in a legend."""
    defaults = {"unit": unit, "custom": {}}
    options = {}
    if kind == "timeseries":
        defaults["custom"] = {"lineWidth": 2, "fillOpacity": 0,
                              "showPoints": "never", "spanNulls": False}
        if more.get("stack"):
            defaults["custom"]["stacking"] = {"mode": "normal", "group": "A"}
            defaults["custom"]["fillOpacity"] = 40
        options = {"legend": {"displayMode": "list", "placement": "bottom"},
                   "tooltip": {"mode": "multi", "sort": "desc"}}
    else:
        options = {"textMode": more.get("text", "value"), "colorMode": "none",
                   "reduceOptions": {"calcs": ["lastNotNull"]}}
    for bound in ("min", "max"):
        if bound in more:
            defaults[bound] = more[bound]
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE,
                     "expr": selected(query), "legendFormat": legend,
                     "instant": kind == "stat", "range": kind != "stat"}
                    for i, (legend, query) in enumerate(queries.items())],
    }


def chart(*args, **more):
    return panel("timeseries", *args, **more)


def number(*args, **more):
    return panel("stat", *args, **more)


def per_second(series, by):
    return f"sum by ({by}) (rate({series}[$__rate_interval]))"


def quantile(q, series):
    return (f"histogram_quantile({q}, "
            f"{per_second(series + '_bucket', 'le')})")


RUN = [
    number("State", "short", {"{{state}}": "aha_job_state == 1"},
           "What the coordinator says of the job.", text="name"),
    number("Stage", "short", {"{{stage}}": "aha_stage_running == 1"},
           "The stage that runs.", text="name"),
    number("Steps of this stage", "short",
           {"version": "aha_policy_version_published"},
           "The policy version is the number of steps done."),
    number("Reward", "short", {"mean": "aha_step_reward_mean"},
           "Of the latest step."),
    number("Held-out pass@1", "percentunit",
           {"{{stage}}": "aha_eval_pass_at_1"},
           "By eval stage.", text="value_and_name"),
    number("Time a step", "s", {"mean": "job:aha_step_seconds:mean5m"},
           "Mean of the last five minutes."),

    chart("Reward", "short",
          {"mean of the step": "aha_step_reward_mean",
           "mean of 5 minutes": "job:aha_step_reward_mean:avg5m",
           "standard deviation": "aha_step_reward_std"},
          "Should rise, then level out.  Falls by half: AhaRewardCollapse."),
    chart("Reward by component", "short",
          {"{{component}}": "aha_step_reward_component_mean"},
          "Unweighted means.  A format that rises while accuracy does not is "
          "learnt first, and cheaply."),
    chart("Held-out pass@1", "percentunit",
          {"{{stage}}": "aha_eval_pass_at_1"},
          "Share of held-out completions that are right, by eval stage.",
          min=0, max=1),
    chart("Completion length", "short",
          {"mean": "aha_step_completion_tokens_mean",
           "shortest": "aha_step_completion_tokens_min",
           "longest": "aha_step_completion_tokens_max",
           "held-out, {{stage}}": "aha_eval_completion_tokens_mean"},
          "Tokens.  Grows where thinking pays.", min=0),
    chart("Cut completions", "percentunit",
          {"cut": "aha_step_clipped_completions_ratio"},
          "Share that reached max_completion_length: if it grows, the limit is "
          "what is learnt.", min=0),
    chart("Zero-variance groups", "percentunit",
          {"share": "aha_step_zero_variance_groups_ratio"},
          "Groups whose rewards are all equal give no gradient.  Near 1: "
          "prompts too easy or too hard (AhaNoSignal).", min=0),
    chart("KL", "short", {"to the stage's first policy": "aha_step_kl"},
          "Nats a token, k3 estimate; 0 while beta is 0.", min=0),
    chart("Entropy", "short", {"mean over tokens": "aha_step_entropy"},
          "Nats.  A quick fall to 0 ends exploration.", min=0),
    chart("Clip fraction", "percentunit", {"tokens": "aha_step_clip_ratio"},
          "Tokens whose policy ratio left the clip range; 0 with lag 0 and one "
          "update a step.", min=0),
    chart("Policy ratio", "short",
          {"least": "aha_step_policy_ratio_min",
           "greatest": "aha_step_policy_ratio_max"},
          "Of the trained policy to the one that sampled; exactly 1 with "
          "lag 0."),
    chart("Gradient norm", "short", {"before clipping": "aha_step_grad_norm"},
          "Spikes mean a step that the optimizer should not trust.", min=0),
    chart("Step time by phase", "s",
          {"{{phase}}":
           "sum by (phase) (rate(aha_step_seconds_total[$__rate_interval])) / "
           "ignoring (phase) group_left "
           "sum (rate(aha_steps_total[$__rate_interval]) > 0)"},
          "Seconds a step of rank 0: waiting for groups is the actors' time.",
          stack=True, min=0),
    chart("Loss", "short",
          {"loss": "aha_step_loss", "without KL": "aha_step_policy_loss"},
          "GRPO's loss hovers about 0; only its gradient tells."),
    chart("Learning rate", "short",
          {"learning rate": "aha_step_learning_rate"},
          "As scheduled.", min=0),
    chart("Sampler against trainer", "short",
          {"greatest difference": "aha_step_sampling_logp_difference_max",
           "tokens that differ": "aha_exact_tokens_differing_total"},
          "Of log-probabilities; both 0, or the run is not exact "
          "(AhaExactnessLost)."),
]

TROUBLES = {
    "members lost": "aha_members_lost_total",
    "leases expired": "aha_leases_expired_total",
    "rollbacks": "aha_rollbacks_total",
    "problems": "aha_problems_total",
    "weight digests wrong": "aha_weights_digest_mismatches_total",
    "checkpoints failed": 'aha_checkpoint_writes_total{result="failed"}',
    "messages refused": "aha_reward_refused_messages_total",
}

PIPELINE = [
    number("Actors", "short", {"living": 'aha_members{role="actor"}'},
           "Living actors."),
    number("Reward replicas", "short",
           {"living": 'aha_members{role="reward"}'}, "Living replicas."),
    number("Learner ranks", "short", {"living": 'aha_members{role="learner"}'},
           "Living ranks."),
    number("Sampled", "short",
           {"tokens a second": "job:aha_rollout_tokens:rate1m"},
           "Tokens a second, all actors."),
    number("Trained", "short",
           {"tokens a second":
            "max (rate(aha_train_tokens_total[$__rate_interval]))"},
           "Tokens a second, prompts included."),
    number("Epoch", "short", {"starts": "aha_epoch"},
           "How often the coordinator was started for this job."),

    chart("Groups by state", "short", {"{{state}}": "aha_groups"},
          "Of the open steps: pending, leased to an actor, delivered to the "
          "learner.", stack=True, min=0),
    chart("Groups a second", "short",
          {"leased": per_second("aha_groups_leased_total", "job"),
           "delivered": per_second("aha_groups_completed_total", "job"),
           "trained": per_second("aha_groups_trained_total", "job")},
          "Leased above delivered for long: work is done twice.", min=0),
    chart("Members", "short",
          {"{{role}}": "aha_members", "{{role}} wanted": "aha_members_wanted"},
          "Living and wanted.", min=0),
    chart("Tokens a second by actor", "short",
          {"{{instance}}": per_second("aha_rollout_tokens_total", "instance"),
           "all": "job:aha_rollout_tokens:rate1m"},
          "Sampled; all: mean of a minute.", min=0),
    chart("Sequences at once by actor", "short",
          {"{{instance}}":
           per_second("aha_rollout_tokens_total", "instance") + " / (" +
           per_second("aha_rollout_forward_passes_total", "instance") +
           " > 0)"},
          "Mean batch of a forward pass.  Below cluster.max_rows: the tail of a "
          "step, or too few groups.",
          min=0),
    chart("Completions a second", "short",
          {"{{finish_reason}}":
           per_second("aha_rollout_trajectories_total", "finish_reason")},
          "By how they ended.", stack=True, min=0),
    chart("Waits", "percentunit",
          {"{{service}}: {{waiting_for}}":
           "avg by (service, waiting_for) "
           "(rate(aha_wait_seconds_total[$__rate_interval]))"},
          "Share of the time that processes of a service wait, by what for.  "
          "With lag 0 actors and learners take turns.", min=0),
    chart("Versions published and served", "short",
          {"published": "aha_policy_version_published",
           "trained": "max (aha_learner_policy_version)",
           "{{instance}}": "aha_actor_policy_version"},
          "Each stage begins at 0.", min=0),
    chart("Lag", "short",
          {"{{instance}}":
           "(aha_policy_version_published - on (job) group_right () "
           "aha_actor_policy_version) and on (job, instance) "
           "(aha_actor_policy_stage == on (job) group_left () "
           "aha_stage_index)"},
          "Versions that an actor is behind the newest.  At most the job's lag "
          "while it samples; an idle actor keeps what it has.", min=0),
    chart("Reward latency", "s",
          {"scoring, median": quantile(0.5, "aha_reward_seconds"),
           "scoring, 99 %": quantile(0.99, "aha_reward_seconds"),
           "delivery, median": quantile(0.5, "aha_reward_delivery_seconds"),
           "delivery, 99 %": quantile(0.99, "aha_reward_delivery_seconds")},
          "Scoring: one trajectory.  Delivery: from a group's last reward until "
          "its consumer has it.", min=0),
    chart("Reward outcomes a second", "short",
          {"{{outcome}}":
           per_second("aha_reward_trajectories_total", "outcome"),
           "{{component}}: {{outcome}}":
           per_second("aha_reward_verdicts_total", "component, outcome")},
          "Trajectories, then the verdicts of each component.  An infra_error "
          "never becomes a reward of 0.", min=0),
    chart("Rewards as they come", "short",
          {"{{component}}":
           per_second("aha_reward_value_total", "component") +
           " / ignoring (component) group_left sum "
           '(rate(aha_reward_trajectories_total{outcome="scored"}'
           "[$__rate_interval]) > 0)"},
          "Mean by component, before the step is whole; eval stages too."),
    chart("Bytes a second", "Bps",
          {"weights sent": per_second("aha_weights_sent_bytes_total", "job"),
           "weights received by {{instance}}":
           per_second("aha_weights_received_bytes_total", "instance"),
           "trajectories":
           per_second("aha_reward_received_bytes_total", "job")},
          "Bulk data.", min=0),
    chart("Bytes held by reward replicas", "bytes",
          {"{{instance}}": "aha_reward_pending_bytes"},
          "Groups not yet delivered; grows while a consumer is away, then "
          "credit ends and actors wait.", min=0),
    chart("Collectives", "s",
          {"{{instance}}":
           per_second("aha_step_collectives_seconds_sum", "instance") + " / " +
           "(" + per_second("aha_step_collectives_seconds_count", "instance") +
           " > 0)"},
          "Seconds a step that a rank spends in collectives, waiting for "
          "others included.", min=0),
    chart("Memory", "bytes", {"{{instance}}": "process_resident_memory_bytes"},
          "Resident.", min=0),
    chart("CPU", "short",
          {"{{instance}}": per_second("process_cpu_seconds_total", "instance")},
          "Cores in use.", min=0),
    chart("Steps a minute", "short",
          {"committed":
           "60 * sum (rate(aha_steps_total[$__rate_interval]))",
           "{{instance}}":
           "60 * " + per_second("aha_learner_steps_total", "instance")},
          "Ranks train in step; more than committed: steps done again.",
          min=0),
    chart("Tokens a second, consumed", "short",
          {"completions consumed": per_second("aha_tokens_total", "job"),
           "log-probabilities compared":
           per_second("aha_exact_tokens_compared_total", "job"),
           "trained, prompts included":
           "max (rate(aha_train_tokens_total[$__rate_interval]))"},
          "What became of what was sampled.", min=0),
    chart("Checkpoints", "short",
          {"committed": "aha_checkpoints_total",
           "written by {{instance}}":
           'aha_checkpoint_writes_total{result="ok"} > 0'},
          "Since the start of each process.", min=0),
    chart("Trouble", "short",
          {legend: f"sum (increase({series}[5m]))"
           for legend, series in TROUBLES.items()},
          "Events of the last five minutes; all 0 on a quiet day.", min=0),
]


def variables():
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource",
         "query": "prometheus"},
        {"name": "job", "label": "Job", "type": "query", "datasource": SOURCE,
         "query": {"query": "label_values(aha_build_info, job)",
                   "refId": "job"}, "refresh": 2, "sort": 1},
        {"name": "instance", "label": "Process", "type": "query",
         "datasource": SOURCE,
         "query": {"query":
                   'label_values(aha_build_info{job="$job"}, instance)',
                   "refId": "instance"}, "refresh": 2, "sort": 3,
         "multi": True, "includeAll": True, "allValue": ".*"},
    ]


def dashboard(uid, title, panels):
    """Numbers in a row of six, charts in rows of three (Grafana: 24 columns)."""
    x = y = height = 0
    for i, one in enumerate(panels):
        width, tall = (4, 4) if one["type"] == "stat" else (8, 8)
        if x + width > 24 or (height and tall != height):
            x, y = 0, y + height
        height = tall
        one["id"] = i + 1
        one["gridPos"] = {"x": x, "y": y, "w": width, "h": tall}
        x += width
    return {
        "uid": uid,
        "title": title,
        "tags": ["aha"],
        "schemaVersion": 37,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "links": [{"title": "Aha", "type": "dashboards", "tags": ["aha"],
                   "keepTime": True, "includeVars": True}],
        "templating": {"list": variables()},
        "panels": panels,
    }


def files():
    """Path -> text of what should stand there."""
    made = {"run": dashboard("aha-run", "Aha: Run", RUN),
            "pipeline": dashboard("aha-pipeline", "Aha: Pipeline", PIPELINE)}
    return {os.path.join(HERE, "dashboards", name + ".json"):
            json.dumps(what, indent=1) + "\n" for name, what in made.items()}


def main():
    for path, text in files().items():
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)


if __name__ == "__main__":
    sys.exit(main())
