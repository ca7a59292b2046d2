#!/usr/bin/env python3
"""Writes dashboards/run.json and dashboards/pipeline.json.

The panels are defined here in a line or two each. The JSON that Grafana reads
is generated from them and committed, so that Grafana does not need this file. A
test runs it, compares the result, and sends every query to a real Prometheus.

A query names its series without selectors; those that every panel has ($job,
and $instance for series of many processes) are added.
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
    """Returns the query with its selectors."""

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
    """Returns a panel. queries maps a legend (with `{{label}}`) to PromQL."""
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
           "The state of the job that the coordinator reports.", text="name"),
    number("Stage", "short", {"{{stage}}": "aha_stage_running == 1"},
           "The stage that is running.", text="name"),
    number("Steps of this stage", "short",
           {"version": "aha_policy_version_published"},
           "The policy version is the number of steps done."),
    number("Reward", "short", {"mean": "aha_step_reward_mean"},
           "Mean reward of the latest step."),
    number("Held-out pass@1", "percentunit",
           {"{{stage}}": "aha_eval_pass_at_1"},
           "Share of correct held-out completions, by eval stage.",
           text="value_and_name"),
    number("Time a step", "s", {"mean": "job:aha_step_seconds:mean5m"},
           "Mean of the last five minutes."),

    chart("Reward", "short",
          {"mean of the step": "aha_step_reward_mean",
           "mean of 5 minutes": "job:aha_step_reward_mean:avg5m",
           "standard deviation": "aha_step_reward_std"},
          "It should rise and then level out.  If it falls by half, "
          "AhaRewardCollapse fires."),
    chart("Reward by component", "short",
          {"{{component}}": "aha_step_reward_component_mean"},
          "Unweighted means.  If the format rises and the accuracy does not, "
          "the model learns the cheaper reward first."),
    chart("Held-out pass@1", "percentunit",
          {"{{stage}}": "aha_eval_pass_at_1"},
          "Share of correct held-out completions, by eval stage.",
          min=0, max=1),
    chart("Completion length", "short",
          {"mean": "aha_step_completion_tokens_mean",
           "shortest": "aha_step_completion_tokens_min",
           "longest": "aha_step_completion_tokens_max",
           "held-out, {{stage}}": "aha_eval_completion_tokens_mean"},
          "Tokens.  The mean grows where longer reasoning is rewarded.", min=0),
    chart("Cut completions", "percentunit",
          {"cut": "aha_step_clipped_completions_ratio"},
          "Share that reached max_completion_length.  If it grows, the limit "
          "shapes what the model learns.", min=0),
    chart("Zero-variance groups", "percentunit",
          {"share": "aha_step_zero_variance_groups_ratio"},
          "Groups whose rewards are all equal give no gradient.  If "
          "nearly all are equal, the prompts are too easy or too hard "
          "(AhaNoSignal).", min=0),
    chart("KL", "short", {"to the stage's first policy": "aha_step_kl"},
          "Nats per token, k3 estimate; 0 while beta is 0.", min=0),
    chart("Entropy", "short", {"mean over tokens": "aha_step_entropy"},
          "Nats.  A quick fall to 0 ends exploration.", min=0),
    chart("Clip fraction", "percentunit", {"tokens": "aha_step_clip_ratio"},
          "Tokens whose policy ratio left the clip range; 0 with lag 0 and one "
          "update a step.", min=0),
    chart("Policy ratio", "short",
          {"least": "aha_step_policy_ratio_min",
           "greatest": "aha_step_policy_ratio_max"},
          "Ratio of the trained policy to the sampling policy; exactly 1 with "
          "lag 0."),
    chart("Gradient norm", "short", {"before clipping": "aha_step_grad_norm"},
          "A spike marks a step whose gradient is suspect.", min=0),
    chart("Step time by phase", "s",
          {"{{phase}}":
           "sum by (phase) (rate(aha_step_seconds_total[$__rate_interval])) / "
           "ignoring (phase) group_left "
           "sum (rate(aha_steps_total[$__rate_interval]) > 0)"},
          "Seconds of a step on rank 0; it waits for groups while the actors "
          "sample.",
          stack=True, min=0),
    chart("Loss", "short",
          {"loss": "aha_step_loss", "without KL": "aha_step_policy_loss"},
          "The loss of GRPO stays near 0 and does not measure progress."),
    chart("Learning rate", "short",
          {"learning rate": "aha_step_learning_rate"},
          "As scheduled.", min=0),
    chart("Sampler against trainer", "short",
          {"greatest difference": "aha_step_sampling_logp_difference_max",
           "tokens that differ": "aha_exact_tokens_differing_total"},
          "Differences of log-probabilities.  Both are 0, or the run is not "
          "exact (AhaExactnessLost)."),
]

TROUBLES = {
    "members lost": "aha_members_lost_total",
    "leases expired": "aha_leases_expired_total",
    "rollbacks": "aha_rollbacks_total",
    "failures reported": "aha_problems_total",
    "weight digests wrong": "aha_weights_digest_mismatches_total",
    "checkpoints failed": 'aha_checkpoint_writes_total{result="failed"}',
    "messages refused": "aha_reward_refused_messages_total",
}

PIPELINE = [
    number("Actors", "short", {"live": 'aha_members{role="actor"}'},
           "Live actors."),
    number("Reward replicas", "short",
           {"live": 'aha_members{role="reward"}'}, "Live replicas."),
    number("Learner ranks", "short", {"live": 'aha_members{role="learner"}'},
           "Live ranks."),
    number("Sampled", "short",
           {"tokens a second": "job:aha_rollout_tokens:rate1m"},
           "Tokens a second, all actors."),
    number("Trained", "short",
           {"tokens a second":
            "max (rate(aha_train_tokens_total[$__rate_interval]))"},
           "Tokens a second, prompts included."),
    number("Epoch", "short", {"starts": "aha_epoch"},
           "Number of starts of the coordinator for this job."),

    chart("Groups by state", "short", {"{{state}}": "aha_groups"},
          "Groups of the open steps: pending, leased to an actor, delivered to "
          "the learner.", stack=True, min=0),
    chart("Groups a second", "short",
          {"leased": per_second("aha_groups_leased_total", "job"),
           "delivered": per_second("aha_groups_completed_total", "job"),
           "trained": per_second("aha_groups_trained_total", "job")},
          "If more are leased than delivered for long, work is done twice.",
          min=0),
    chart("Members", "short",
          {"{{role}}": "aha_members", "{{role}} wanted": "aha_members_wanted"},
          "Live members, and how many the job wants.", min=0),
    chart("Tokens a second by actor", "short",
          {"{{instance}}": per_second("aha_rollout_tokens_total", "instance"),
           "all": "job:aha_rollout_tokens:rate1m"},
          "Sampled tokens; `all` is the mean of a minute.", min=0),
    chart("Sequences at once by actor", "short",
          {"{{instance}}":
           per_second("aha_rollout_tokens_total", "instance") + " / (" +
           per_second("aha_rollout_forward_passes_total", "instance") +
           " > 0)"},
          "Mean batch of a forward pass.  It is below cluster.max_rows at the "
          "end of a step or if there are too few groups.",
          min=0),
    chart("Completions a second", "short",
          {"{{finish_reason}}":
           per_second("aha_rollout_trajectories_total", "finish_reason")},
          "By finish reason.", stack=True, min=0),
    chart("Waits", "percentunit",
          {"{{service}}: {{waiting_for}}":
           "avg by (service, waiting_for) "
           "(rate(aha_wait_seconds_total[$__rate_interval]))"},
          "Share of the time that processes of a service wait, by what they "
          "wait for.  With lag 0 actors and learners take turns.", min=0),
    chart("Versions published and served", "short",
          {"published": "aha_policy_version_published",
           "trained": "max (aha_learner_policy_version)",
           "{{instance}}": "aha_actor_policy_version"},
          "The versions of each stage begin at 0.", min=0),
    chart("Lag", "short",
          {"{{instance}}":
           "(aha_policy_version_published - on (job) group_right () "
           "aha_actor_policy_version) and on (job, instance) "
           "(aha_actor_policy_stage == on (job) group_left () "
           "aha_stage_index)"},
          "Versions that an actor is behind the newest.  They are at most the "
          "job's lag while it samples; an idle actor fetches none.", min=0),
    chart("Reward latency", "s",
          {"scoring, median": quantile(0.5, "aha_reward_seconds"),
           "scoring, 99 %": quantile(0.99, "aha_reward_seconds"),
           "delivery, median": quantile(0.5, "aha_reward_delivery_seconds"),
           "delivery, 99 %": quantile(0.99, "aha_reward_delivery_seconds")},
          "Scoring is the time of one trajectory; delivery lasts from the last "
          "reward of a group until its consumer has it.", min=0),
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
          "Mean by component before the step is complete; eval stages too."),
    chart("Bytes a second", "Bps",
          {"weights sent": per_second("aha_weights_sent_bytes_total", "job"),
           "weights received by {{instance}}":
           per_second("aha_weights_received_bytes_total", "instance"),
           "trajectories":
           per_second("aha_reward_received_bytes_total", "job")},
          "Weights and trajectories on the network.", min=0),
    chart("Bytes held by reward replicas", "bytes",
          {"{{instance}}": "aha_reward_pending_bytes"},
          "Groups that are not delivered yet.  They grow while a consumer is "
          "away; then the credit is used up and actors wait.", min=0),
    chart("Collectives", "s",
          {"{{instance}}":
           per_second("aha_step_collectives_seconds_sum", "instance") + " / " +
           "(" + per_second("aha_step_collectives_seconds_count", "instance") +
           " > 0)"},
          "Seconds of a step that a rank spends in collectives, including the "
          "wait for other ranks.", min=0),
    chart("Memory", "bytes",
          {"{{instance}}": "process_resident_memory_bytes",
           "{{instance}}, optimizer": "aha_learner_optimizer_bytes"},
          "Resident memory, and the part of it that a learner rank's shard of "
          "the optimizer's state takes.", min=0),
    chart("CPU", "short",
          {"{{instance}}": per_second("process_cpu_seconds_total", "instance")},
          "CPU cores in use.", min=0),
    chart("Steps a minute", "short",
          {"committed":
           "60 * sum (rate(aha_steps_total[$__rate_interval]))",
           "{{instance}}":
           "60 * " + per_second("aha_learner_steps_total", "instance")},
          "All ranks train the same step.  A rank above `committed` repeats "
          "steps.",
          min=0),
    chart("Tokens a second, consumed", "short",
          {"completions consumed": per_second("aha_tokens_total", "job"),
           "log-probabilities compared":
           per_second("aha_exact_tokens_compared_total", "job"),
           "trained, prompts included":
           "max (rate(aha_train_tokens_total[$__rate_interval]))"},
          "Sampled tokens by their further use.", min=0),
    chart("Checkpoints", "short",
          {"committed": "aha_checkpoints_total",
           "written by {{instance}}":
           'aha_checkpoint_writes_total{result="ok"} > 0'},
          "Checkpoints since the start of each process.", min=0),
    chart("Trouble", "short",
          {legend: f"sum (increase({series}[5m]))"
           for legend, series in TROUBLES.items()},
          "Events of the last five minutes; all are 0 if nothing fails.",
          min=0),
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
    """Puts numbers in rows of six, charts in rows of three (24 columns)."""
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
    """Maps the path of each file to the text that it should have."""
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
