// The filters of sequences and dicts, for the table in filters.cc. Each behaves
// as Jinja's filter of that name; map, select, unique and others give an
// iterator, which can be read once, as there.
#pragma once

#include "text/jinja/runtime.h"

namespace aha::jinja::filters {

#define AHA_JINJA_FILTER(name)                                     \
  absl::StatusOr<Value> name(Runtime& runtime, const Value& input, \
                             const Arguments& arguments)
AHA_JINJA_FILTER(DictSort);
AHA_JINJA_FILTER(First);
AHA_JINJA_FILTER(Items);
AHA_JINJA_FILTER(Join);
AHA_JINJA_FILTER(Last);
AHA_JINJA_FILTER(Length);
AHA_JINJA_FILTER(List);
AHA_JINJA_FILTER(Map);
AHA_JINJA_FILTER(Max);
AHA_JINJA_FILTER(Min);
AHA_JINJA_FILTER(Reject);
AHA_JINJA_FILTER(RejectAttr);
AHA_JINJA_FILTER(Reverse);
AHA_JINJA_FILTER(Select);
AHA_JINJA_FILTER(SelectAttr);
AHA_JINJA_FILTER(Sort);
AHA_JINJA_FILTER(Sum);
AHA_JINJA_FILTER(Unique);
#undef AHA_JINJA_FILTER

}  // namespace aha::jinja::filters
