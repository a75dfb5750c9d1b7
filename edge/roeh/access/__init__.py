"""Who may do what on a pole: persons, trust lists, requests and approvals, judged without IO."""
