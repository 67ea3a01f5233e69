#include "gridcompute/transport/multilevel/trust_region.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gridcompute::transport {

// Returns the largest of the price errors of this many classes, up to the one that one class in radius_rank exceeds:
// the distribution has a long tail, and the more classes there are, the likelier is one beyond the box, whose jobs are
// then read again. A wider box has more candidates.
double TrustRegion::largest_to_ranked(std::size_t classes) const {
  const double decades = std::log10(static_cast<double>(classes) / tuning_.radius_tail_classes);
  return std::max(tuning_.radius_tail, tuning_.radius_tail + tuning_.radius_tail_decade * decades);
}

void TrustRegion::update(std::span<const Cost> before, std::span<const Cost> after, const std::vector<double>& coupled,
                         RankedPriceError ranked) {
  if (!noise_.empty()) {
    std::vector<double> moves;
    for (std::size_t s = 0; s < after.size(); ++s) {
      if (noise_[s] > 0)
        moves.push_back(std::fabs(static_cast<double>(after[s] - before[s])) /
                        std::max(noise_[s], after[s] > before[s] ? ranked_.up[s] : ranked_.down[s]));
    }
    if (!moves.empty()) {
      const auto rank =
          moves.begin() + static_cast<std::ptrdiff_t>(moves.size() - 1 - moves.size() / tuning_.radius_rank);
      std::nth_element(moves.begin(), rank, moves.end());
      stretch_ = std::clamp(largest_to_ranked(after.size()) * *rank, tuning_.radius_least, tuning_.radius_most);
    }
  } else if (!ranked_.up.empty()) {
    stretch_ = tuning_.radius_warm;
  }
  noise_ = coupled;
  ranked_ = std::move(ranked);
  std::vector<double> known;
  for (const double x : noise_) {
    if (x > 0) known.push_back(x);
  }
  double usual = 0;
  if (!known.empty()) {
    const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
    std::nth_element(known.begin(), middle, known.end());
    usual = *middle;
  }
  for (double& x : noise_)
    x = x > 0 ? std::clamp(x, usual / tuning_.radius_outlier, usual * tuning_.radius_outlier) : usual;
}

void TrustRegion::update_from_warm_start(RankedPriceError ranked, double misfit) {
  noise_.clear();
  ranked_ = std::move(ranked);
  stretch_ = 1 + std::sqrt(std::max(0.0, misfit * misfit - 1));  // misfit beyond chance is error of the prices
}

PriceBox TrustRegion::box(const std::vector<Cost>& prices, Cost most) const {
  PriceBox out{prices, prices, prices};
  const auto radius = [&](std::size_t s, double ranked) {
    const double coupled = noise_.empty() ? 0 : std::min(stretch_ * noise_[s], static_cast<double>(most));
    const double r = std::ceil(std::max(coupled, std::max(1.0, stretch_) * ranked));
    return std::max<Cost>(1, static_cast<Cost>(std::min(r, static_cast<double>(kCostLimit / 8))));
  };
  for (std::size_t s = 0; s < prices.size(); ++s) {
    out.down[s] = radius(s, ranked_.down[s]);
    out.up[s] = radius(s, ranked_.up[s]);
  }
  return out;
}

}  // namespace gridcompute::transport
