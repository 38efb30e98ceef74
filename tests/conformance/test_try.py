import json, time,os
import pytest
from tests.conformance.cases import CASES
@pytest.mark.parametrize("place", ["script","runner"])
def test_x(both, place):
    t=time.time()
    for f in os.environ.get("F","failures hooks modes caching").split():
      for n in range(len(CASES[f])):
        r=both.ran(place,f,n)
        print("=====",place,f,CASES[f][n],time.time()-t, r.status, r.error, r.run["warnings"])
        for s,d in r.steps.items():
            print("   ",s,d["status"],len(d["attempts"]),d["status_reason"],"|",d["cache_reason"],"|", r.failure(s) if d["attempts"] else "", repr(r.log(s,len(d["attempts"]))[:300]) if d["attempts"] else "")
