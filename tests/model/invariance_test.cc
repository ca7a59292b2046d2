// The invariance contract: however completions are batched, chunked, ordered
// and threaded, the tokens and the bits of the log-probabilities are the same,
// and the trainer computes the same bits.

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "gtest/gtest.h"
#include "model/backprop.h"
#include "model/generator.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

// The settings that may vary between two ways of sampling the same groups.
struct Way {
  int threads = 1;
  int32_t max_rows = 128;
  int32_t max_prefill_tokens = 1024;
  bool reverse = false;  // Reverses the order of submission.
  bool late = false;  // Submits a group every two steps instead of all at once.
  int64_t max_kv_bytes = int64_t{8} << 30;
  float temperature = 1;
};

// Maps (group, sample) to the sample.
using Samples = std::map<std::pair<uint64_t, int32_t>, Sample>;

// Returns groups of 1 to 9 samples with prompts of 1 to 70 tokens; two prompts
// fill whole blocks, and one has 33 tokens.
std::vector<GroupRequest> Requests(const ModelConfig& config,
                                   float temperature) {
  const int64_t lengths[] = {1, 5, 32, 33, 64, 70};
  std::vector<GroupRequest> requests;
  for (uint64_t g = 0; g < 6; ++g) {
    GroupRequest request;
    request.id = 100 + g;
    request.key = {
        .seed = 9, .stage = 1, .step = 2, .slot = static_cast<uint32_t>(g)};
    request.prompt = RandomTokens(g, lengths[g], config.vocab_size);
    request.num_samples = static_cast<int32_t>(1 + g * 8 / 5);
    request.sampling.max_new_tokens = 40;
    request.sampling.temperature = temperature;
    requests.push_back(request);
  }
  return requests;
}

struct Outcome {
  Samples samples;
  std::vector<float> trainer_logprobs;  // In the order of `samples`.
};

std::vector<TrainSequence> ToSequences(
    const Samples& samples, const std::vector<GroupRequest>& requests) {
  std::vector<TrainSequence> sequences;
  for (const auto& [key, sample] : samples) {
    TrainSequence sequence;
    sequence.tokens = requests[key.first - 100].prompt;
    sequence.prompt_length = static_cast<int64_t>(sequence.tokens.size());
    sequence.tokens.insert(sequence.tokens.end(), sample.tokens.begin(),
                           sample.tokens.end());
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

std::vector<float> Logprobs(const Samples& samples) {
  std::vector<float> logprobs;
  for (const auto& [key, sample] : samples) {
    logprobs.insert(logprobs.end(), sample.logprobs.begin(),
                    sample.logprobs.end());
  }
  return logprobs;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

using Model = std::tuple<const char*, DType>;

class InvarianceTest : public testing::TestWithParam<Model> {
 protected:
  InvarianceTest() : config_(TinyConfigOf(std::get<0>(GetParam()))) {
    SetLayers(3, &config_);
    config_.hidden_size = 32;
    config_.head_dim = config_.model_type == "qwen3" ? 20 : 8;
    // The vocabulary has more than one tile of the head.
    config_.vocab_size = 1500;
    config_.tie_word_embeddings = false;
    config_.eos_token_ids = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  }

  Parameters Weights() const {
    return TinyParameters(config_, 3, std::get<1>(GetParam()));
  }

  Samples Generate(const Way& way, Policy* policy) {
    auto generator =
        Generator::Create(policy, {.max_rows = way.max_rows,
                                   .max_prefill_tokens = way.max_prefill_tokens,
                                   .max_kv_bytes = way.max_kv_bytes});
    EXPECT_TRUE(generator.ok()) << generator.status();
    std::vector<GroupRequest> queue = Requests(config_, way.temperature);
    if (!way.reverse) std::reverse(queue.begin(), queue.end());
    Samples samples;
    for (int step = 0; !queue.empty() || !(*generator)->idle(); ++step) {
      while (!queue.empty() && (!way.late || step % 2 == 0)) {
        EXPECT_TRUE((*generator)->Submit(queue.back()).ok());
        queue.pop_back();
        if (way.late) break;
      }
      auto finished = (*generator)->Step();
      EXPECT_TRUE(finished.ok()) << finished.status();
      EXPECT_LE((*generator)->live_samples(), way.max_rows);
      for (Sample& sample : *finished) {
        const auto key = std::make_pair(sample.group, sample.index);
        EXPECT_TRUE(samples.emplace(key, std::move(sample)).second);
      }
      if (step > 20'000) {
        ADD_FAILURE() << "does not end";
        break;
      }
    }
    return samples;
  }

  Outcome Execute(const Way& way) {
    ThreadPool pool(way.threads);
    const auto policy = MakePolicy(Weights(), config_, &pool);
    Outcome run;
    run.samples = Generate(way, policy.get());
    auto backprop = Backprop::Create(policy.get());
    EXPECT_TRUE(backprop.ok());
    const auto sequences =
        ToSequences(run.samples, Requests(config_, way.temperature));
    const auto logprobs = (*backprop)->LogProbs(sequences, way.temperature);
    EXPECT_TRUE(logprobs.ok()) << logprobs.status();
    run.trainer_logprobs = *logprobs;
    return run;
  }

  ModelConfig config_;
};

TEST_P(InvarianceTest, SamplesDoNotDependOnHowTheyWereBatched) {
  const Outcome want = Execute({});
  ASSERT_EQ(want.samples.size(), 1u + 2 + 4 + 5 + 7 + 9);
  const Way ways[] = {
      {.threads = 2},
      {.threads = 3, .max_rows = 7},
      {.max_rows = 1},
      {.threads = 2, .max_rows = 5, .max_prefill_tokens = 13},
      {.max_prefill_tokens = 1, .late = true},
      {.threads = 2, .max_rows = 9, .reverse = true},
      {.max_rows = 20, .max_prefill_tokens = 64, .reverse = true, .late = true},
      {.threads = 3,
       .max_rows = 64,
       .max_kv_bytes = 130'000 * config_.head_dim / 8},
  };
  for (const Way& way : ways) {
    const Outcome got = Execute(way);
    ASSERT_EQ(got.samples.size(), want.samples.size());
    for (const auto& [key, sample] : want.samples) {
      const Sample& other = got.samples.at(key);
      ASSERT_EQ(other.tokens, sample.tokens) << key.first;
      ASSERT_EQ(other.finish_reason, sample.finish_reason);
      ASSERT_TRUE(SameBits(other.logprobs, sample.logprobs)) << key.first;
    }
  }
}

TEST_P(InvarianceTest, TheTrainerFindsTheSamplersBits) {
  for (const float temperature : {1.0f, 0.7f, 0.0f}) {
    const Outcome run = Execute({.threads = 2, .temperature = temperature});
    EXPECT_GT(run.trainer_logprobs.size(), 200u);
    EXPECT_TRUE(SameBits(run.trainer_logprobs, Logprobs(run.samples)))
        << temperature;
  }
}

TEST_P(InvarianceTest, TheComparisonCanFail) {
  const Outcome run = Execute({});
  // One number differs by one unit in the last place.
  std::vector<float> other = run.trainer_logprobs;
  other[other.size() / 2] = std::nextafter(other[other.size() / 2], 0.0f);
  EXPECT_FALSE(SameBits(other, Logprobs(run.samples)));
  // Another temperature changes every number.
  const Outcome warm = Execute({.temperature = 1.01f});
  EXPECT_FALSE(SameBits(Logprobs(warm.samples), Logprobs(run.samples)));
}

TEST_P(InvarianceTest, AccumulateScoresTheSamplersBits) {
  ThreadPool pool(2);
  const Parameters parameters = Weights();
  const auto policy = MakePolicy(parameters, config_, &pool);
  const Samples samples = Generate({}, policy.get());
  const auto sequences = ToSequences(samples, Requests(config_, 1));
  auto backprop = Backprop::Create(policy.get());
  GradientSum sum(parameters.shared_layout());
  std::vector<float> scores;
  // The micro-batches have different sizes.
  for (size_t begin = 0, size = 1; begin < sequences.size();
       begin += size, size += 2) {
    const auto part = absl::MakeConstSpan(sequences).subspan(begin, size);
    const absl::Status status = (*backprop)->Accumulate(
        part, 1,
        [&](const TargetScores& s, absl::Span<float> dloss) {
          scores.insert(scores.end(), s.logprobs.begin(), s.logprobs.end());
          std::fill(dloss.begin(), dloss.end(), 0.5f);
          return absl::OkStatus();
        },
        &sum);
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_TRUE(SameBits(scores, Logprobs(samples)));
}

TEST_P(InvarianceTest, ScoresDoNotDependOnWhatIsPackedBeside) {
  ThreadPool pool(2);
  const auto policy = MakePolicy(Weights(), config_, &pool);
  const auto backprop = Backprop::Create(policy.get());
  // Two begin alike and so share rows, a third does not.
  std::vector<TrainSequence> sequences;
  for (uint64_t s = 0; s < 3; ++s) {
    sequences.push_back({RandomTokens(s, 50, config_.vocab_size), 4});
  }
  std::copy_n(sequences[0].tokens.begin(), 40, sequences[1].tokens.begin());
  const auto together = (*backprop)->LogProbs(sequences, 1);
  std::vector<float> apart;
  for (const TrainSequence& sequence : sequences) {
    const auto alone = (*backprop)->LogProbs({&sequence, 1}, 1);
    apart.insert(apart.end(), alone->begin(), alone->end());
  }
  EXPECT_TRUE(SameBits(*together, apart));
}

TEST_P(InvarianceTest, GradientsDoNotDependOnThreads) {
  std::vector<int64_t> want;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const Parameters parameters = Weights();
    const auto policy = MakePolicy(parameters, config_, &pool);
    auto backprop = Backprop::Create(policy.get());
    std::vector<TrainSequence> sequences;
    for (uint64_t s = 0; s < 7; ++s) {
      sequences.push_back(
          {RandomTokens(s, 20 + 17 * static_cast<int64_t>(s), 1500), 4});
    }
    GradientSum sum(parameters.shared_layout());
    const absl::Status status = (*backprop)->Accumulate(
        sequences, 1,
        [&](const TargetScores& s, absl::Span<float> dloss) {
          for (size_t i = 0; i < dloss.size(); ++i) dloss[i] = s.logprobs[i];
          return absl::OkStatus();
        },
        &sum);
    ASSERT_TRUE(status.ok()) << status;
    const std::vector<int64_t> got(sum.sums().begin(), sum.sums().end());
    if (threads == 1) {
      want = got;
    } else {
      EXPECT_EQ(got, want) << threads;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, InvarianceTest,
                         testing::Combine(testing::ValuesIn(kModelTypes),
                                          testing::Values(DType::kF32,
                                                          DType::kBf16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" +
                                  std::string(NameOf(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace aha
