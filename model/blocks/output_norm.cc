#include "model/blocks/output_norm.h"

#include <algorithm>

#include "base/status.h"

namespace aha {

void OutputNorm::Forward(Product* product, const ForwardArgs& args) {
  if (!norm_) {
    product->Forward({.x = args.x,
                      .y = args.stream,
                      .rows = args.rows,
                      .into = ops::Into::kAdd});
    return;
  }
  product->Forward({.x = args.x, .y = args.output, .rows = args.rows});
  norm_->ForwardInto(args.output, args.rows, args.stream, args.inv_rms);
}

absl::StatusOr<const float*> OutputNorm::Backward(const BackwardArgs& args,
                                                  GradientSum* sum) {
  if (!norm_) return args.dx;
  std::fill_n(args.doutput, args.rows * norm_->cols(), 0.0f);
  AHA_RETURN_IF_ERROR(norm_->Backward({.x = args.output,
                                       .inv_rms = args.inv_rms,
                                       .dy = args.dx,
                                       .dx = args.doutput,
                                       .dgains = args.dgains,
                                       .rows = args.rows},
                                      sum));
  return args.doutput;
}

}  // namespace aha
