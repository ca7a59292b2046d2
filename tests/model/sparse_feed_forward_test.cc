// The sparse feed-forward block by itself: its formula, and that a row's bits
// depend on no other row. Blocks that break the rule in the ways in which
// mixtures of experts usually do must be noticed by the same comparison.
#include "model/blocks/sparse_feed_forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/carver.h"
#include "model/families/family.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

constexpr int64_t kHidden = 32;
constexpr int64_t kInner = 24;
constexpr int64_t kExperts = 6;
constexpr int64_t kActive = 3;

using Row = std::vector<float>;
// Returns what a block adds to each of these rows.
using SparseFunction = std::function<std::vector<Row>(const std::vector<Row>&)>;

ModelConfig SparseConfig(bool normalized) {
  ModelConfig config = TinyConfigOf("qwen3_moe");
  config.hidden_size = kHidden;
  config.num_experts = kExperts;
  config.num_experts_per_tok = kActive;
  config.moe_intermediate_size = kInner;
  config.norm_topk_prob = normalized;
  config.num_hidden_layers = 1;
  config.sparse_layers = {true};
  return config;
}

std::vector<Row> RandomRows(int64_t count) {
  const RandomKey key(31, RandomPurpose::kTest);
  std::vector<Row> rows;
  for (int64_t r = 0; r < count; ++r) {
    Row row;
    for (int64_t c = 0; c < kHidden; ++c) {
      row.push_back(static_cast<float>(
          4 * key.Uniform(static_cast<uint64_t>(r * kHidden + c)) - 2));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// The block of the only layer, in one thread or more.
class BlockAlone {
 public:
  BlockAlone(const Parameters& parameters, const ModelConfig& config,
             int threads)
      : pool_(threads),
        environment_(parameters.dtype(), ops::CpuContext{&pool_},
                     PolicyUse::kTraining),
        layout_(config),
        spec_(FamilyOf(config).layers(config)[0][1]) {
    auto block = spec_->Create(&environment_, {.tensors = layout_.block(0, 1)});
    EXPECT_TRUE(block.ok()) << block.status();
    block_ = *std::move(block);
    block_->Load(parameters);
  }

  std::vector<Row> operator()(const std::vector<Row>& rows) {
    const std::vector<int32_t> tokens(rows.size());
    const RowBatch batch = {.tokens = tokens,
                            .positions = tokens,
                            .sequences = {},
                            .cache = nullptr};
    const std::vector<Activation> activations =
        spec_->Activations(environment_.dtype());
    using enum ActivationUse;
    ActivationBuffers buffers;
    const auto carve = [&](Carver carver) {
      CarveActivations(activations, {kForward, kSaved, kRecomputed},
                       batch.rows(), &carver, &buffers);
      return carver.size();
    };
    carve(Carver(memory_.Bytes(carve(Carver(nullptr)))));
    std::vector<float> x;
    for (const Row& row : rows) x.insert(x.end(), row.begin(), row.end());
    block_->Forward(batch, x.data(), buffers);
    std::vector<Row> out;
    for (size_t r = 0; r < rows.size(); ++r) {
      out.emplace_back(x.begin() + static_cast<int64_t>(r) * kHidden,
                       x.begin() + static_cast<int64_t>(r + 1) * kHidden);
    }
    return out;
  }

 private:
  ThreadPool pool_;
  BlockEnvironment environment_;
  const ParameterLayout layout_;
  const std::shared_ptr<const BlockSpec> spec_;
  std::unique_ptr<Block> block_;
  Buffer memory_;
};

// Counts the rows that are not the same bits in every batch: alone, in front
// of others, behind others, and in batches of three sizes.
int64_t RowsThatDependOnOthers(const SparseFunction& block) {
  const std::vector<Row> rows = RandomRows(70);
  const std::vector<Row> want = block(rows);
  std::vector<bool> differs(rows.size());
  const auto compare = [&](const std::vector<size_t>& picked) {
    std::vector<Row> batch;
    for (const size_t r : picked) batch.push_back(rows[r]);
    const std::vector<Row> got = block(batch);
    for (size_t i = 0; i < picked.size(); ++i) {
      if (std::memcmp(got[i].data(), want[picked[i]].data(),
                      kHidden * sizeof(float)) != 0) {
        differs[picked[i]] = true;
      }
    }
  };
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  for (const size_t size : {1, 2, 7, 33}) {
    for (size_t begin = 0; begin < order.size(); begin += size) {
      const size_t end = std::min(order.size(), begin + size);
      compare({order.begin() + static_cast<int64_t>(begin),
               order.begin() + static_cast<int64_t>(end)});
    }
  }
  std::reverse(order.begin(), order.end());
  compare(order);
  return std::count(differs.begin(), differs.end(), true);
}

// How a hand-made block breaks the rule.
enum class Flaw {
  kNone,
  kSeesNeighbours,   // The router adds a little of the row before.
  kOrderOfLoad,      // Experts are added by how many rows chose them.
  kLimitedCapacity,  // An expert drops the rows beyond its fair share.
};

// The formula of the header in plain loops of floats.
class BlockByHand {
 public:
  BlockByHand(const Parameters& parameters, const ModelConfig& config,
              Flaw flaw)
      : parameters_(parameters), config_(config), flaw_(flaw) {}

  std::vector<Row> operator()(const std::vector<Row>& rows) const {
    std::vector<Row> normed, logits;
    for (const Row& row : rows) {
      normed.push_back(Normed(row));
      logits.push_back(Times("mlp.gate.weight", normed.back()));
    }
    if (flaw_ == Flaw::kSeesNeighbours) {
      for (size_t r = rows.size(); r-- > 1;) {
        for (size_t e = 0; e < kExperts; ++e) {
          logits[r][e] += 1e-6f * logits[r - 1][e];
        }
      }
    }
    std::vector<std::vector<size_t>> chosen;
    std::vector<int64_t> load(kExperts);
    for (const Row& row : logits) {
      chosen.push_back(Chosen(row));
      for (const size_t e : chosen.back()) ++load[e];
    }
    std::vector<Row> out = rows;
    std::vector<int64_t> taken(kExperts);
    const int64_t capacity =
        (static_cast<int64_t>(rows.size()) * kActive + kExperts - 1) / kExperts;
    for (size_t r = 0; r < rows.size(); ++r) {
      if (flaw_ == Flaw::kOrderOfLoad) {
        std::stable_sort(chosen[r].begin(), chosen[r].end(),
                         [&](size_t a, size_t b) { return load[a] < load[b]; });
      }
      Row sum(kHidden);
      for (const size_t e : chosen[r]) {
        if (flaw_ == Flaw::kLimitedCapacity && taken[e]++ >= capacity) continue;
        const Row added = Expert(e, normed[r]);
        const float weight = Weight(logits[r], chosen[r], e);
        for (size_t c = 0; c < kHidden; ++c) sum[c] += weight * added[c];
      }
      for (size_t c = 0; c < kHidden; ++c) out[r][c] += sum[c];
    }
    return out;
  }

 private:
  const float* Tensor(const std::string& name) const {
    return static_cast<const float*>(parameters_.tensor(
        parameters_.layout().Find("model.layers.0." + name)));
  }
  Row Times(const std::string& matrix, const Row& x) const {
    const TensorInfo& info =
        parameters_.layout().Find("model.layers.0." + matrix);
    const float* w = static_cast<const float*>(parameters_.tensor(info));
    Row y(static_cast<size_t>(info.shape[0]));
    for (float& sum : y) {
      for (const float value : x) sum += *w++ * value;
    }
    return y;
  }
  Row Normed(const Row& row) const {
    const float* gains = Tensor("post_attention_layernorm.weight");
    double squares = 0;
    for (const float value : row) squares += double{value} * value;
    const double scale =
        1 / std::sqrt(squares / kHidden + config_.rms_norm_eps);
    Row out;
    for (size_t c = 0; c < kHidden; ++c) {
      out.push_back(static_cast<float>(row[c] * scale * gains[c]));
    }
    return out;
  }
  static std::vector<size_t> Chosen(const Row& logits) {
    std::vector<size_t> order(kExperts);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    order.resize(kActive);
    return order;
  }
  float Weight(const Row& logits, const std::vector<size_t>& chosen,
               size_t expert) const {
    double of_all = 0, of_chosen = 0;
    for (const float logit : logits) of_all += std::exp(double{logit});
    // In an order of its own, so that only the named flaw depends on batches.
    for (size_t e = 0; e < kExperts; ++e) {
      const bool in =
          std::find(chosen.begin(), chosen.end(), e) != chosen.end();
      of_chosen += in ? std::exp(double{logits[e]}) : 0;
    }
    return static_cast<float>(std::exp(double{logits[expert]}) /
                              (config_.norm_topk_prob ? of_chosen : of_all));
  }
  Row Expert(size_t expert, const Row& x) const {
    const std::string prefix = "mlp.experts." + std::to_string(expert);
    Row inner = Times(prefix + ".up_proj.weight", x);
    const Row gate = Times(prefix + ".gate_proj.weight", x);
    for (size_t i = 0; i < inner.size(); ++i) {
      inner[i] *= gate[i] / (1 + std::exp(-gate[i]));
    }
    return Times(prefix + ".down_proj.weight", inner);
  }

  const Parameters& parameters_;
  const ModelConfig config_;
  const Flaw flaw_;
};

class SparseFeedForwardTest : public ::testing::TestWithParam<bool> {
 protected:
  const ModelConfig config_ = SparseConfig(GetParam());
  const Parameters parameters_ = TinyParameters(config_, 3, DType::kF32);
};

INSTANTIATE_TEST_SUITE_P(Weights, SparseFeedForwardTest, ::testing::Bool(),
                         [](const auto& info) {
                           return std::string(info.param ? "OfChosen"
                                                         : "OfAll");
                         });

TEST_P(SparseFeedForwardTest, ComputesTheFormula) {
  const std::vector<Row> rows = RandomRows(70);
  const std::vector<Row> got = BlockAlone(parameters_, config_, 2)(rows);
  const std::vector<Row> want =
      BlockByHand(parameters_, config_, Flaw::kNone)(rows);
  double largest = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < kHidden; ++c) {
      ASSERT_NEAR(got[r][c], want[r][c], 2e-5) << r << " " << c;
      largest = std::max(largest, std::fabs(double{got[r][c]} - rows[r][c]));
    }
  }
  EXPECT_GT(largest, 0.5);  // It adds something.
}

TEST_P(SparseFeedForwardTest, ARowDependsOnNoOtherRow) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const Parameters parameters = TinyParameters(config_, 3, dtype);
    for (const int threads : {1, 2, 3}) {
      BlockAlone block(parameters, config_, threads);
      EXPECT_EQ(RowsThatDependOnOthers(std::ref(block)), 0) << threads;
    }
  }
}

TEST_P(SparseFeedForwardTest, ABlockThatBreaksTheRuleIsNoticed) {
  const auto count = [&](Flaw flaw) {
    return RowsThatDependOnOthers(BlockByHand(parameters_, config_, flaw));
  };
  EXPECT_EQ(count(Flaw::kNone), 0);
  EXPECT_GT(count(Flaw::kSeesNeighbours), 20);
  EXPECT_GT(count(Flaw::kOrderOfLoad), 20);
  EXPECT_GT(count(Flaw::kLimitedCapacity), 5);
}

TEST(SparseFeedForwardSpecTest, ItsNameHasAllThatItsKernelsDependOn) {
  const std::string name =
      FamilyOf(SparseConfig(true)).layers(SparseConfig(true))[0][1]->Name();
  EXPECT_EQ(name,
            "sparse hidden=32 intermediate=24 experts=6 active=3 normalized");
  EXPECT_NE(
      FamilyOf(SparseConfig(true)).layers(SparseConfig(false))[0][1]->Name(),
      name);
}

}  // namespace
}  // namespace aha
