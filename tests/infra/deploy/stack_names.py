from infra.deploy.account import Account


def stack_names(account: Account) -> set[str]:
    """The names of all stacks, of which an answer has a hundred at most."""
    pages = account.cloudformation.get_paginator("describe_stacks").paginate()
    return {stack["StackName"] for page in pages for stack in page["Stacks"]}
