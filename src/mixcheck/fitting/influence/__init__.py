"""How a fit follows its data: leverages, left-out rows and groups, degrees of freedom."""
